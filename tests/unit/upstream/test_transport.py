"""One request, one answer, and nothing of what `requests` would add."""

import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError, Transport, prepare
from tests.unit.upstream.peers import OK, Caller, Peer, Script, answering

Serve = Callable[..., Peer]


def post(transport: Transport, url: str, body: bytes = b"{}") -> requests.Response:
    return transport.send(prepare("POST", url, {}, body), timeout=5)


def test_a_redirect_is_an_answer(serve: Serve, transport: Transport) -> None:
    """It is returned, and nobody is asked at the place that it names."""
    elsewhere = serve(answering(OK))
    moved = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
    assert post(transport, serve(answering(moved.encode())).url).status_code == 307
    assert elsewhere.accepted == 0


def test_nothing_is_decoded(serve: Serve, transport: Transport) -> None:
    """A compressed body is handed over as it came: it cannot grow."""
    packed = gzip.compress(b"x" * 1_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    assert post(transport, serve(answering(head.encode() + packed)).url).content == packed


@pytest.mark.parametrize("size", [100_000, 100_001])
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: %d\r\n", b"%b"),
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n"),
        (b"", b"%b"),
    ],
    ids=["length", "chunked", "until it closes"],
)
def test_the_bound_of_a_body(serve: Serve, head: bytes, body: bytes, size: int) -> None:
    """A transport may be made for larger answers than a service's; a byte more than it takes is too much."""
    content = b"x" * size
    fields = head % size if b"%" in head else head
    framed = body % ((size, content) if b"%x" in body else content)

    def script(caller: Caller) -> None:
        caller.answer(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + framed)
        caller.close()

    url = serve(script).url
    with closing(Transport(max_body_bytes=100_000)) as transport:
        if size == 100_000:
            assert post(transport, url).content == content
        else:
            with pytest.raises(NoAnswerError, match="too_large"):
                post(transport, url)


@pytest.mark.parametrize(("asked", "longest"), [(2, 65_536), (8192, 65_536), (65_536, 409_600)])
def test_the_bound_of_an_answer_to_a_long_request(
    serve: Serve, transport: Transport, asked: int, longest: int
) -> None:
    """It may repeat what it was asked, with every byte escaped: so long a message can be sent, and known to be."""

    def answer(size: int) -> Script:
        return lambda caller: caller.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    url = serve(answer(longest)).url
    assert len(post(transport, url, b"x" * asked).content) == longest
    with pytest.raises(NoAnswerError, match="too_large"):
        post(transport, serve(answer(longest + 1)).url, b"x" * asked)


def test_the_answer_is_complete(serve: Serve, transport: Transport) -> None:
    """What is used of a Response can be used after the peer has gone."""

    def script(caller: Caller) -> None:
        caller.answer(b"HTTP/1.1 404 Away\r\nX-A: b\r\nContent-Length: 8\r\n\r\n" + b'{"a": 1}')

    response = post(transport, serve(script).url, b"")
    assert (response.status_code, response.headers["x-a"], response.content) == (404, "b", b'{"a": 1}')


def test_nothing_of_a_response_is_missing(serve: Serve, transport: Transport) -> None:
    """Code for any Response of `requests` works with ours: each attribute is there, and so is what uses them."""
    head = b"HTTP/1.1 500 Whatever\r\nSet-Cookie: a=b\r\nContent-Length: 8\r\n\r\n"
    response = post(transport, serve(answering(head + b'{"a": 1}')).url, b"")
    assert [name for name in vars(requests.Response()) if not hasattr(response, name)] == []
    assert not hasattr(response, "nonsense")
    assert list(response.iter_content(8)) == [b'{"a": 1}']
    assert (response.ok, response.reason) == (False, "")
    assert (response.json(), response.text) == ({"a": 1}, '{"a": 1}')
    assert (list(response.cookies), response.history, response.links) == ([], [], {})
    with response, pytest.raises(requests.HTTPError, match=r"^500 Server Error"):
        response.raise_for_status()


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, closed_port: int) -> None:
    """An environment that tells requests to use a proxy and a password."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.usefixtures("surroundings")
def test_the_environment_is_not_obeyed(serve: Serve, transport: Transport) -> None:
    """Neither proxies nor .netrc, whose password would go to whoever answers."""
    peer = serve(answering(OK))
    assert post(transport, peer.url).status_code == 200
    assert b"authorization" not in peer.requests[0].lower()


def test_cookies_are_not_kept(serve: Serve, transport: Transport) -> None:
    """One caller's cookie never goes out with another caller's request."""
    peer = serve(answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", OK))
    post(transport, peer.url)
    post(transport, peer.url)
    assert b"cookie" not in peer.requests[1].lower()


@pytest.mark.parametrize("kind", [NothingSentError, NoAnswerError])
def test_failures_are_requests_failures(kind: type[requests.RequestException]) -> None:
    """Code that knows `requests` alone handles them; only what was surely not sent is a ConnectionError."""
    assert issubclass(kind, requests.RequestException)
    assert issubclass(kind, requests.ConnectionError) is (kind is NothingSentError)
