"""Requests that no well-behaved client sends reach nothing, and are answered once."""

import contextlib
import socket
from collections.abc import Iterator
from http.client import BadStatusLine, HTTPResponse

import pytest

from tests.people import bearer, token
from tests.system.clients import JSON, Answer, Connection, Request, ask
from tests.system.odd_requests import CUT_OFF, IDS, INDISCREET, MALFORMED, PATHS, REFUSED, SEND
from tests.system.processes import resident
from tests.system.servers import Server, served
from tests.system.standins import Services

pytestmark = pytest.mark.system
EVIL = "evil.example"
# Fields of proxies that do not agree, one of which the client may have set.
SCHEMES = ("X-Forwarded-Ssl: on", "X-Forwarded-Protocol: ssl")


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with served(services, WEB_CONCURRENCY="1", LOG_LEVEL="DEBUG") as running:
        yield running


def exchange(server: Server, data: bytes) -> Answer | None:
    """The answer to these bytes; None when the connection is only closed."""
    with Connection(server.port) as connection, contextlib.suppress(BadStatusLine, ConnectionError):
        return connection.exchange(data)
    return None


def handled(server: Server, marker: str) -> list[str]:
    """The requests that the application has handled up to and with one that is named here."""
    ask(server.port, Request("GET", "/v1", {"X-Request-ID": marker}))
    lines = [line["request_id"] for line in server.events("request")]
    assert marker in lines
    return lines


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_parser_refuses_never_reaches_the_application(server: Server, name: str) -> None:
    """They are answered 4xx or 5xx, or the connection is closed; the application's log has no line of it."""
    marker = name.replace(" ", "-")
    before = handled(server, f"{marker}-before")
    answer = exchange(server, REFUSED[name])

    assert answer is None or 400 <= answer.status <= 505
    assert handled(server, f"{marker}-after") == [*before, f"{marker}-after"]


def test_a_compressed_body_is_not_implemented(server: Server) -> None:
    """It would be read as if it were not compressed (RFC 9112, 6.1)."""
    answer = exchange(server, REFUSED["a compressed body"])
    assert answer is not None
    assert answer.status == 501


@pytest.mark.parametrize("name", INDISCREET)
def test_what_the_parser_refuses_is_repeated_nowhere(server: Server, name: str) -> None:
    """Neither the answer nor the log, at any level, has what may be a token."""
    secret = token()
    with Connection(server.port) as connection:
        connection.socket.sendall(INDISCREET[name].format(secret).encode())
        answer = HTTPResponse(connection.socket)
        answer.begin()
        assert (400 <= answer.status <= 505, answer.read()) == (True, b"")
        told = f"{answer.headers}"
        answer.close()
    handled(server, f"indiscreet-{name.replace(' ', '-')}")
    assert not [part for part in secret.split(".") if part in told or part in server.log]


@pytest.mark.parametrize("name", MALFORMED)
def test_a_request_has_one_answer(server: Server, name: str) -> None:
    """What is wrong with a body that was not needed ends the connection, and is not answered once more."""
    head = f"POST {SEND} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with Connection(server.port) as connection, connection.socket.makefile("rb") as stream:
        connection.socket.sendall(head + MALFORMED[name])
        told = stream.read()
    assert told.startswith(b"HTTP/1.1 401 ")
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("first", [1_000, 60_000, 70_000, 80_000])
def test_a_head_is_too_long_however_it_comes(server: Server, first: int) -> None:
    """Of many fields that are each short enough, at once or in two pieces: 431."""
    head = f"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: {'a' * 40_000}\r\nX-B: {'b' * 40_000}\r\n\r\n".encode()
    with Connection(server.port) as connection:
        connection.socket.sendall(head[:first])
        handled(server, f"between-{first}")
        with contextlib.suppress(ConnectionError):
            connection.socket.sendall(head[first:])
        assert connection.socket.makefile("rb").readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ("Connection: close, TE", True),
        ("Connection: TE,Close", True),
        ("Connection: keep-alive\r\nConnection: close", True),
        ("Connection: closed, keep-alive", False),
        ("Connection: TE", False),
    ],
)
def test_a_client_that_closes_is_believed(server: Server, fields: str, *, ends: bool) -> None:
    """`close` counts wherever it stands (RFC 9112, 9.6)."""
    answer = exchange(server, f"GET /v1 HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n".encode())
    assert answer is not None
    assert (answer.status, answer.headers["Connection"] == "close") == (200, ends)


@pytest.mark.parametrize("field", SCHEMES)
def test_proxies_that_do_not_agree_refuse_nobody(server: Server, field: str) -> None:
    """One of the fields may be the client's; nothing here goes by the scheme."""
    answer = exchange(
        server, f"GET /v1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n{field}\r\n\r\n".encode()
    )
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("length", [8_000, 8_193, 30_000])
def test_the_application_says_how_long_a_token_may_be(server: Server, length: int) -> None:
    """It gets whatever length of a field there is room for in a head."""
    answer = ask(server.port, Request("POST", SEND, {"Authorization": f"Bearer {token().ljust(length, 'A')}"}))
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


def test_bodies_that_are_cut_off_are_not_kept(server: Server) -> None:
    """Anybody can send them: they go with their answers, not when Python's collector comes."""
    (worker,) = server.pids()
    before = resident(worker)
    for number in range(20):
        with contextlib.ExitStack() as stack:
            for connection in [stack.enter_context(Connection(server.port)) for _ in range(100)]:
                connection.socket.sendall(CUT_OFF)
        handled(server, f"after-a-hundred-{number}")
    # All of them together are 900 MB, those that are on their way at a time 45.
    assert resident(worker) - before < 100_000


def test_no_header_changes_the_path(server: Server) -> None:
    """Gunicorn by itself takes SCRIPT_NAME from clients of a proxy on the same machine."""
    assert ask(server.port, Request("GET", "/x/v1", {"SCRIPT_NAME": "/x"})).status == 404
    assert ask(server.port, Request("GET", "/v1", {"SCRIPT_NAME": "/x", "PATH_INFO": "/x"})).status == 200


def is_an_error_object(answer: Answer, *, of: str) -> None:
    """JSON with the four fields; no redirect; and nothing of the Host that the client claims."""
    assert answer.headers["Content-Type"] == "application/json"
    assert {"error", "code", "timestamp", "path"} <= set(answer.document)
    assert answer.headers["Location"] is None
    assert answer.headers["Set-Cookie"] is None
    if EVIL not in of:
        assert EVIL not in f"{answer.headers}{answer.document}"


@pytest.mark.parametrize("target", PATHS)
def test_a_path_is_what_it_is(server: Server, target: str) -> None:
    """Nothing is cleaned up, merged or redirected: it is a route's path, or it is 404."""
    answer = ask(server.port, Request("GET", target, {"Host": EVIL, "X-Forwarded-Host": EVIL}))

    assert (answer.status, answer.code) == PATHS[target]
    is_an_error_object(answer, of=target)


@pytest.mark.parametrize("target", IDS)
def test_an_odd_id_is_refused_as_an_id(server: Server, services: Services, target: str) -> None:
    """With a token such a path is 400 and goes nowhere; without one it is 401."""
    headers = {"Host": EVIL, "X-Forwarded-Host": EVIL, **JSON}
    answer = ask(server.port, Request("POST", target, {**headers, **bearer()}, b'{"message_body": "Hello"}'))

    assert (answer.status, answer.code) == (400, IDS[target])
    is_an_error_object(answer, of=target)
    assert ask(server.port, Request("POST", target, headers, b"{}")).status == 401
    assert services.ledger.entries == []


@pytest.mark.parametrize("framing", ["Content-Length: 500\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n17\r\n"])
def test_a_body_that_ends_early_is_not_sent(server: Server, services: Services, framing: str) -> None:
    """The client hangs up halfway, and what came is a whole message to look at: 400, not_sent, no entry."""
    head = f"POST {SEND} HTTP/1.1\r\nHost: a\r\nAuthorization: {bearer()['Authorization']}\r\n"
    with Connection(server.port) as connection:
        connection.socket.sendall(f"{head}Content-Type: application/json\r\n{framing}".encode())
        connection.socket.sendall(b'{"message_body": "cut"}')
        connection.socket.shutdown(socket.SHUT_WR)
        answer = connection.exchange(b"")

    assert (answer.status, answer.code, answer.headers["X-Send-Outcome"]) == (400, "INVALID_PARAMS", "not_sent")
    assert services.ledger.entries == []


def test_an_offer_to_upgrade_is_ignored(server: Server) -> None:
    """Without a token it is 401 as any other request, and a probe is answered (RFC 9110 section 7.8)."""
    offer = {"Connection": "Upgrade", "Upgrade": "websocket"}

    assert ask(server.port, Request("POST", SEND, {**offer, **JSON}, b"{}")).status == 401
    assert ask(server.port, Request("GET", "/health/live", offer)).status == 200
