"""Requests that are given to the application plainly are what gunicorn would have made of them."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from gunicorn.http.wsgi import create  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from config.serving.arrivals import Arrival
from config.serving.plain import Peer, Plain
from config.serving.reader import Reader

SEND = b"POST /v1/send-message/a-b/c.d~e HTTP/1.1\r\nHost: a:80\r\n"
PLAIN = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a body": SEND + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "an empty body": SEND + b"Content-Length: 0\r\n\r\n",
    "a body that looks like a head": SEND + b"content-length: 24\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
    "a query": b"GET /v1?limit=5&after=%20x+y HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty query": b"GET /v1? HTTP/1.1\r\nHost: a\r\n\r\n",
    "two slashes within": b"GET /v1//x/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /v1 HTTP/1.1\r\n\r\n",
    "a proxy's fields": SEND + b"X-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nX-Forwarded-Proto: https\r\n\r\n",
    "proxies that do not agree": SEND + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
    "fields of Latin-1": SEND + b"X-A:\t caf\xe9\t \r\n\r\n",
    "a connection to keep": SEND + b"Connection: Keep-Alive\r\n\r\n",
    "a connection to close": SEND + b"connection: CLOSE\r\n\r\n",
    "only a head": b"HEAD /v1 HTTP/1.1\r\nHost: a\r\n\r\n",
}
ODD = {
    "nothing": b"",
    "an empty line before it": b"\r\n" + SEND + b"\r\n",
    "an empty line before a long one": b"\r\nGET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a half": b"GET / HTTP/1.1\r\nHost",
    "chunks": SEND + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": SEND + b"Transfer-Encoding: gzip\r\n\r\n",
    "an expectation": SEND + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    "an upgrade": SEND + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
    "an upgrade alone": SEND + b"Upgrade: websocket\r\n\r\n",
    "other options of the connection": SEND + b"Connection: close, x-a\r\n\r\n",
    "a field twice": SEND + b"X-A: b\r\nx-a: c\r\n\r\n",
    "two hosts": SEND + b"Host: b\r\n\r\n",
    "two types": SEND + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
    "two lengths": SEND + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a name with _": SEND + b"X_A: b\r\n\r\n",
    "a length with _": SEND + b"Content_Length: 1\r\n\r\na",
    "a path of SCRIPT_NAME": SEND + b"SCRIPT_NAME: /v1\r\n\r\n",
    "a length that is not that": SEND + b"Content-Length: 3\r\n\r\n{}",
    "a length of more than digits": SEND + b"Content-Length: +2\r\n\r\n{}",
    "a long length": SEND + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\n{}",
    "a body of no length": SEND + b"\r\n{}",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a small method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an escape": b"GET /v%31 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a host in the target": b"GET http://a/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "two slashes at the beginning": b"GET //a/v1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /v1#x HTTP/1.1\r\nHost: a\r\n\r\n",
    "parameters": b"GET /v1;a=b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bracket": b"GET /[v1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes beyond ASCII": b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long target": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a folded field": SEND + b"X-A: b\r\n c\r\n\r\n",
    "a NUL": SEND + b"X-A: \0\r\n\r\n",
}
LARGE = b"Transfer-Encoding: chunked\r\n\r\n3d090\r\n" + b"a" * 250_000 + b"\r\n0\r\n\r\n"
# Gunicorn's own offer; nobody here takes it.
NOT_OFFERED = {"wsgi.early_hints"}
PIECES = [
    *(b"GET /v1?a=b HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n", b"POST //x HTTP/1.1\r\n", b"PUT /%2f HTTP/1.0\r\n"),
    *(b"Host: a\r\n", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"CONTENT_LENGTH: 2\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: te\r\n",
        b"Expect: 100-continue\r\n",
    ),
    *(
        b"X-Forwarded-Proto: https\r\n",
        b"X-Forwarded-Ssl: on\r\n",
        b"X-Forwarded-Protocol: ssl\r\n",
        b"X-A: b, c\r\n",
    ),
    *(b"\r\n", b"\r\n{}", b"{}", b"\n", b" ", b":", b"\xff", b"_", b"2\r\n{}\r\n0\r\n\r\n"),
]


class At:
    """A connection from one address to another, of which nothing is asked but these."""

    def __init__(self, sock: socket.socket, client: object, server: object) -> None:
        self.sock, self.client, self.server = sock, client, server


@pytest.fixture(scope="module")
def sock() -> Iterator[socket.socket]:
    one, other = socket.socketpair()
    with one, other:
        yield one


def config(**changes: object) -> Config:
    """Gunicorn's settings, those that concern requests being the service's."""
    cfg = Config()
    ours = {"http_parser": "fast", "forwarder_headers": "", "secure_scheme_headers": {}}
    for name, value in {**ours, **changes}.items():
        cfg.set(name, value)
    return cfg


def local(sock: socket.socket, client: str = "127.0.0.1") -> At:
    """A connection over TCP, by default from a client that may say what it is a proxy for."""
    return At(sock, (client, 4711), ("127.0.0.1", 8000))


def plainly(cfg: Config, conn: At, data: bytes) -> Plain | None:
    """The request that is made of the bytes without gunicorn."""
    return Peer(cfg, conn).plain(data)


def by_gunicorn(cfg: Config, conn: At, data: bytes) -> tuple[dict[str, Any], bool]:
    """The environment that gunicorn makes, and whether the connection ends."""
    arrival = Arrival(65536)
    arrival.add(data)
    request = next(get_parser(cfg, arrival, conn.client))
    environ = create(request, conn.sock, conn.client, conn.server, cfg)[1]
    return {**environ, "wsgi.multithread": True}, request.should_close()


def told(environ: dict[str, Any]) -> dict[str, Any]:
    """What can be compared of it."""
    compared = {name: value for name, value in environ.items() if name not in NOT_OFFERED}
    return compared | {"wsgi.input": compared["wsgi.input"].read(), "wsgi.errors": type(compared["wsgi.errors"])}


@pytest.mark.parametrize("client", ["127.0.0.1", "10.0.0.1"])
@pytest.mark.parametrize("name", PLAIN)
def test_it_is_as_gunicorn_makes_it(sock: socket.socket, name: str, client: str) -> None:
    """Every name in the environment, and whether the connection ends, whoever asks."""
    cfg, conn = config(), local(sock, client)
    plain = plainly(cfg, conn, PLAIN[name])
    environ, closes = by_gunicorn(cfg, conn, PLAIN[name])

    assert plain is not None
    assert told(plain.environ) == told(environ)
    assert (plain.should_close(), plain.method) == (closes, environ["REQUEST_METHOD"])


@pytest.mark.parametrize("name", ODD)
def test_what_takes_more_is_gunicorns(sock: socket.socket, name: str) -> None:
    """Nothing is guessed: what it means, and whether it is refused, gunicorn says."""
    assert plainly(config(), local(sock), ODD[name]) is None


def test_settings_that_change_what_is_read_leave_all_to_gunicorn(
    sock: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Unix socket, PROXY protocol, HTTP/2, another parser or limit, schemes, a prefix of all paths."""
    data = PLAIN["no body"]
    assert plainly(config(), At(sock, "", "/run/service.sock"), data) is None
    for changes in (
        {"proxy_protocol": "v1"},
        {"http2_cleartext": "upgrade"},
        {"secure_scheme_headers": {"X-FORWARDED-PROTO": "https"}},
        {"http_parser": "python"},
        {"limit_request_line": 0},
        {"limit_request_line": 16000},
    ):
        assert plainly(config(**changes), local(sock), data) is None
    monkeypatch.setenv("SCRIPT_NAME", "/x")
    assert plainly(config(), local(sock), data) is None


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.sampled_from(["127.0.0.1", "10.0.0.1"]))
def test_it_is_never_another_request(sock: socket.socket, pieces: list[bytes], client: str) -> None:
    """Whatever comes: it is for gunicorn, or it is what gunicorn makes of it, which refuses nothing of it."""
    cfg, conn, data = config(), local(sock, client), b"".join(pieces)
    plain = plainly(cfg, conn, data)
    if plain is not None:
        environ, closes = by_gunicorn(cfg, conn, data)
        assert (told(plain.environ), plain.should_close()) == (told(environ), closes)


@given(st.sampled_from([*PLAIN.values()]), st.data())
def test_changed_bytes_make_no_other_request(sock: socket.socket, request_: bytes, data: st.DataObject) -> None:
    """The same where a byte or two of a plain request are others."""
    changed = bytearray(request_)
    for _ in range(data.draw(st.integers(1, 2))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.sampled_from(b"\r\n :_%/?#\0\xffa0"))
    cfg, conn = config(), local(sock)
    plain = plainly(cfg, conn, bytes(changed))
    if plain is not None:
        environ, closes = by_gunicorn(cfg, conn, bytes(changed))
        assert (told(plain.environ), plain.should_close()) == (told(environ), closes)


@pytest.mark.parametrize(
    "data", [PLAIN["a body"], PLAIN["no body"], ODD["chunks"], ODD["an escape"], SEND + LARGE]
)
def test_a_reader_leaves_what_follows(sock: socket.socket, data: bytes) -> None:
    """What is behind the request is the next one's, whichever way it is read."""
    arrival = Arrival(65536)
    assert arrival.add(data + b"GET /next")
    reader = Reader(Peer(config(), local(sock)), arrival)

    assert next(reader).method in {"GET", "POST"}
    assert reader.finish_body()
    assert reader.rest() == b"GET /next"


def test_a_reader_refuses_what_gunicorn_refuses(sock: socket.socket) -> None:
    """With gunicorn's own exception; a body that nobody has read is not over where it is malformed."""
    arrival = Arrival(65536)
    assert arrival.add(ODD["two lengths"])
    with pytest.raises(ParseException):
        next(Reader(Peer(config(), local(sock)), arrival))
    arrival = Arrival(65536)
    assert arrival.add(SEND + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    reader = Reader(Peer(config(), local(sock)), arrival)
    assert next(reader).method == "POST"
    assert not reader.finish_body()
