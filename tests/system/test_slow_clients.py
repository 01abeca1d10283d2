"""Clients that send slowly, halfway, or nothing have no thread; those that do not read or hang up keep none."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.clients import Connection, Request, ask, sending
from tests.system.conftest import Serve
from tests.system.processes import accepts, await_until
from tests.system.servers import Server, gunicorn, served
from tests.system.slow_clients import (
    BODY,
    CALL,
    CHUNKED,
    DRIPS,
    PARTS,
    WHOLE,
    Crowd,
    answered,
    await_answer,
    await_answer_head,
    await_answer_of,
    receive,
)
from tests.system.standins import Services

pytestmark = pytest.mark.system
REFUSAL = "conversation_id, account_id, and message_body must be provided!"


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    """Eight threads in all: far fewer than there are slow clients."""
    with served(services, THREADS="4", RATE_LIMIT="1000 per minute", ACCOUNT_CACHE_SECONDS="300") as running:
        # Each worker knows the account from now on: what ends together is not too much for the slots.
        for pid in running.pids():
            with running.connect_to(pid) as connection:
                assert connection.ask(sending()).status == 200
        yield running


@pytest.fixture
def crowd(server: Server) -> Iterator["Crowd"]:
    pids = server.pids()
    with Crowd(server.port) as clients:
        yield clients
    assert server.pids() == pids


@pytest.mark.parametrize("part", PARTS)
def test_others_are_served_while_they_stall(server: Server, crowd: Crowd, part: str) -> None:
    """50 stalled clients on 8 threads: 20 others are answered before the first of them is given up."""
    clients = crowd.join(50, PARTS[part])
    if part == "an expectation":
        assert {await_answer_head(client) for client in clients} == {b"HTTP/1.1 100 Continue"}

    assert [ask(server.port, sending()).status for _ in range(20)] == [200] * 20
    assert answered(clients) == 0


@pytest.mark.parametrize("part", DRIPS)
def test_others_are_served_while_they_drip(server: Server, crowd: Crowd, part: str) -> None:
    """20 clients that drip a byte each half second: 20 others are answered before the first is given up."""
    start, rest = DRIPS[part]
    clients = crowd.join(20, start)
    crowd.drip(clients, rest)

    assert [ask(server.port, sending()).status for _ in range(20)] == [200] * 20
    assert answered(clients) == 0


def test_what_does_not_come_in_time_is_ended(crowd: Crowd) -> None:
    """A head that is late is dropped; a body is answered 400 and the connection closed. Drips gain nothing."""
    heads: list[Connection] = []
    bodies: list[Connection] = []
    for part, data in PARTS.items():
        (heads if part in {"nothing", "half a head"} else bodies).extend(crowd.join(5, data))
    for clients, (start, rest) in zip((heads, bodies), DRIPS.values(), strict=True):
        dripping = crowd.join(5, start)
        clients.extend(dripping)
        crowd.drip(dripping, rest)

    assert [receive(client) for client in heads] == [b""] * len(heads)
    for client in bodies:
        interim, _, answer = receive(client).rpartition(b"HTTP/1.1 ")
        assert interim in {b"", b"HTTP/1.1 100 Continue\r\n\r\n"}
        assert answer.startswith(b"400 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert REFUSAL.encode() in answer
        assert b"INVALID_PARAMS" in answer


def test_a_request_in_pieces_is_a_request(crowd: Crowd) -> None:
    """Byte by byte, on one connection: one with a length, one in chunks, one without a body."""
    (client,) = crowd.join(1, b"")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for request in (sending(), CHUNKED, CALL):
        for byte in request.to_bytes():
            client.socket.send(bytes([byte]))
        assert await_answer(client).status == 200


def test_requests_behind_each_other_are_answered_in_turn(server: Server, crowd: Crowd) -> None:
    """Three and a half requests in one packet: three answers, and the fourth when its rest is here.

    All workers wait for the rest of one, and serve everybody else meanwhile.
    """
    first = CALL.to_bytes() + CHUNKED.to_bytes() + WHOLE
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect_to(pid)) for pid in server.pids()]
        for client in clients:
            client.socket.sendall(first + WHOLE[:-9])
            assert [await_answer_of(client) for _ in range(3)] == [200] * 3
        (other,) = crowd.join(1, WHOLE)
        assert await_answer_of(other) == 200
        for client in clients:
            client.socket.sendall(WHOLE[-9:])
            assert await_answer_of(client) == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_the_largest_body_may_come_slowly(crowd: Crowd, *, chunked: bool) -> None:
    """64 KiB in eight packets over most of a second are sent, and the connection is kept."""
    body = BODY.ljust(65536)
    parts = [body[at : at + 8192] for at in range(0, len(body), 8192)]
    data = Request(CHUNKED.method, CHUNKED.target, CHUNKED.headers, parts if chunked else body).to_bytes()
    (client,) = crowd.join(1, b"")
    for at in range(0, len(data), 8192):
        client.socket.sendall(data[at : at + 8192])
        threading.Event().wait(0.08)
    assert await_answer(client).status == 200
    assert client.ask(CALL).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_answered_before_its_end(server: Server, *, chunked: bool) -> None:
    """10 MB: the answer is not lost, though the client is still sending when the service ends the connection."""
    body = bytes(10_000_000)
    parts = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    answer = ask(server.port, Request(CHUNKED.method, CHUNKED.target, CHUNKED.headers, parts if chunked else body))
    assert (answer.status, answer.code) == (400, "BODY_TOO_LARGE")
    assert answer.headers["Connection"] == "close"


def test_an_expectation_is_answered_once(crowd: Crowd) -> None:
    """`100 Continue` comes before the body, and only then."""
    (client,) = crowd.join(1, PARTS["an expectation"])
    assert await_answer_head(client) == b"HTTP/1.1 100 Continue"
    client.socket.sendall(BODY)
    assert await_answer_of(client) == 200


def test_who_does_not_hang_up_holds_nobody_up(server: Server, crowd: Crowd) -> None:
    """50 clients have their last answer and keep the connection: others are served meanwhile."""
    clients = crowd.join(50, Request("GET", "/v1", {"Connection": "close"}).to_bytes())
    # By itself, gunicorn would wait here two seconds for each of 25.
    assert ask(server.port, CALL).seconds < 10
    assert [await_answer(client).status for client in clients] == [200] * 50


def test_who_does_not_read_keeps_no_thread(serve: Serve, tmp_path: Path) -> None:
    """Two threads, and two answers of 50 MB that nobody takes: the next client is answered."""
    (tmp_path / "large.py").write_text(
        "def application(environ, start_response):\n"
        "    size = 50_000_000 if environ['PATH_INFO'] == '/large' else 0\n"
        "    start_response('200 OK', [('Content-Length', str(size))])\n"
        "    return [bytes(size)]\n"
    )
    large = gunicorn("--pythonpath", str(tmp_path), application="large:application")
    server = serve(large, WEB_CONCURRENCY="1", THREADS="2")
    with Crowd(server.port) as crowd:
        for client in crowd.join(2, Request("GET", "/large").to_bytes()):
            assert client.socket.recv(8) == b"HTTP/1.1"
        assert ask(server.port, CALL).status == 200
    assert not server.events("Socket error")


def test_a_stop_waits_for_what_comes_in_time_and_no_longer(serve: Serve) -> None:
    """SIGTERM with half-sent requests: those that go on are answered, and the process exits 0."""
    server = serve()
    with Crowd(server.port) as crowd:
        crowd.join(20, PARTS["half a head"])
        bodies = crowd.join(20, PARTS["half a body"])
        # What came before this has been accepted by then.
        assert [ask(server.port, CALL).status for _ in range(8)] == [200] * 8
        server.signal(signal.SIGTERM)
        await_until(
            lambda: not any(accepts(pid, server.port) for pid in server.pids()), lambda: f"accepts:\n{server.log}"
        )
        for client in bodies:
            client.socket.sendall(BODY[5:])
        assert [await_answer(client).status for client in bodies] == [200] * 20
        assert server.wait() == 0
