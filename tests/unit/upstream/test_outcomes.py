"""Whether anything was sent, when no answer came."""

import socket
import threading
from collections.abc import Callable
from unittest.mock import Mock

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError, Transport, TransportError, prepare
from tests.unit.upstream.peers import OK, PATIENCE, Caller, Peer, Script, answering, to_the_end

Serve = Callable[..., Peer]
TOTAL = 0.4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
ENDLESS = 150


def post(transport: Transport, url: str, body: bytes = b"{}", timeout: float = 5.0) -> requests.Response:
    return transport.send(prepare("POST", url, {"Content-Type": "application/json"}, body), timeout=timeout)


def then(*steps: bytes | str) -> Script:
    """Read the request, then send bytes and do what the words say."""

    def script(caller: Caller) -> None:
        caller.request()
        for step in steps:
            caller.send(step) if isinstance(step, bytes) else getattr(caller, step)()

    return script


def reset_early(caller: Caller) -> None:
    caller.read(10)
    caller.reset()


NO_ANSWER: dict[str, tuple[Script, str]] = {
    "reset in the request": (reset_early, "reset"),
    "reset after the request": (then("reset"), "reset"),
    "closed after the request": (then("close"), "closed"),
    "hangs": (then("wait"), "deadline"),
    "hangs in the status line": (then(b"HTTP/1.1 2", "wait"), "deadline"),
    "hangs in the headers": (then(b"HTTP/1.1 200 OK\r\nA: b\r\n", "wait"), "deadline"),
    "hangs in the body": (then(HEAD + b"he", "wait"), "deadline"),
    "half a status line": (then(b"HTTP/1.1 2", "close"), "cut"),
    "half of the headers": (then(b"HTTP/1.1 200 OK\r\nContent-Le", "close"), "cut"),
    "headers without their end": (then(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "close"), "cut"),
    "cut body": (then(HEAD + b"hell", "close"), "cut"),
    "cut chunks": (
        then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "close"),
        "cut",
    ),
    "cut end of chunks": (
        then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "close"),
        "cut",
    ),
    "reset in the body": (then(HEAD + b"hell", "reset"), "reset"),
    "garbage": (then(b"\x16\x03\x01\x02\x00\x01\x00\r\n", "close"), "malformed"),
    "switching protocols": (then(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "wait"), "malformed"),
    "flood of interim answers": (then(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "wait"), "malformed"),
}


@pytest.mark.parametrize(("script", "reason"), NO_ANSWER.values(), ids=NO_ANSWER)
def test_no_answer(serve: Serve, transport: Transport, script: Script, reason: str) -> None:
    """Once a byte was handed over, whatever is no complete answer is NoAnswerError, in our words."""
    with pytest.raises(NoAnswerError) as caught:
        post(transport, serve(script).url, timeout=TOTAL if reason == "deadline" else 5)
    assert (caught.value.reason, str(caught.value)) == (reason, reason)


def test_nothing_arrives_later(transport: Transport) -> None:
    """Of a request that was given up no more is delivered: its caller may have looked, and sent it again."""
    message = b"x" * 60_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Room for a small part of the message, as long as nobody reads: the rest waits with the system here.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(NoAnswerError, match="deadline"):
            post(transport, f"http://127.0.0.1:{listener.getsockname()[1]}/", message, timeout=TOTAL)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            received = to_the_end(sock)

    assert len(received) < len(message)


REFUSED = b"HTTP/1.1 404 Not Found\r\n"
REFUSALS: dict[str, Script] = {
    "long": then(REFUSED + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000, "close"),
    "endless": then(REFUSED + b"\r\n" + b"x" * 70_000, "close"),
    "cut": then(REFUSED + b"Content-Length: 100\r\n\r\nNot", "close"),
    "reset": then(REFUSED + b"Content-Length: 100\r\n\r\n", "reset"),
    "of broken chunks": then(REFUSED + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", "close"),
    "hanging": then(REFUSED + b"Content-Length: 100\r\n\r\nNot", "wait"),
}


@pytest.mark.parametrize("script", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_whose_body_does_not_come(serve: Serve, transport: Transport, script: Script) -> None:
    """Its head has said that nothing was done, in time; the connection is not used again."""
    peer = serve(script, Caller.answer)
    answer = post(transport, peer.url, timeout=TOTAL)
    assert (answer.status_code, answer.content) == (404, b"")
    assert post(transport, peer.url).content == b"ok"


@pytest.mark.parametrize("fields", [b"Content-Length: 0\r\nContent-Length: 0\r\n", b"No field\r\n"])
def test_a_refusal_whose_head_is_broken(serve: Serve, transport: Transport, fields: bytes) -> None:
    """It may be something else."""
    with pytest.raises(NoAnswerError, match="malformed"):
        post(transport, serve(then(REFUSED + fields + b"\r\n", "close")).url)


def test_reset_on_accept(serve: Serve, transport: Transport) -> None:
    """The reset may come before the first byte or after it; the failure says which."""
    with pytest.raises(TransportError, match="reset"):
        post(transport, serve(Caller.reset).url)


def drip_interim(caller: Caller) -> None:
    caller.request()
    caller.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * ENDLESS)


def drip_headers(caller: Caller) -> None:
    caller.request()
    caller.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + b"b" * ENDLESS + b"\r\n\r\n")


def drip_body(caller: Caller) -> None:
    caller.request()
    caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % ENDLESS)
    caller.drip(b"x" * ENDLESS)


def drip_chunks(caller: Caller) -> None:
    caller.request()
    caller.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    caller.drip(b"1\r\nx\r\n" * ENDLESS + b"0\r\n\r\n")


@pytest.mark.parametrize("script", [drip_interim, drip_headers, drip_body, drip_chunks])
def test_a_drip_does_not_stretch_the_total(serve: Serve, transport: Transport, script: Script) -> None:
    """Each byte comes in time and all of them would be an answer, but the whole is too late."""
    with pytest.raises(NoAnswerError, match="deadline"):
        post(transport, serve(script).url, timeout=TOTAL)


def test_a_request_that_is_not_read_ends_in_time(serve: Serve, transport: Transport) -> None:
    """Sending is under the same total: a part of the request may have arrived."""
    released = threading.Event()

    def ignore(caller: Caller) -> None:
        released.wait(5)
        caller.close()

    peer = serve(ignore)
    with pytest.raises(NoAnswerError, match="deadline"):
        post(transport, peer.url, body=b"x" * 16_000_000, timeout=TOTAL)
    released.set()


def test_an_enormous_body_is_not_read(serve: Serve, transport: Transport) -> None:
    """Reading stops at the limit, though 300 MB are offered without a length."""
    sent = []

    def pour(caller: Caller) -> None:
        caller.request()
        caller.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(300):
            caller.send(b"x" * 1_000_000)
            sent.append(1)

    with pytest.raises(NoAnswerError, match="too_large"):
        post(transport, serve(pour).url)
    assert len(sent) < 300


def test_refused(transport: Transport, closed_port: int) -> None:
    """Nobody listens: nothing was sent."""
    with pytest.raises(NothingSentError, match="refused"):
        post(transport, f"http://127.0.0.1:{closed_port}/")


def test_packets_are_swallowed(transport: Transport, hole: int) -> None:
    """Nobody answers the SYN: nothing was sent, and it is known in time."""
    with pytest.raises(NothingSentError, match="connect_timeout"):
        post(transport, f"http://127.0.0.1:{hole}/", timeout=TOTAL)


def test_no_time_left(serve: Serve, transport: Transport) -> None:
    """Without time nothing is handed over, not even on a connection that is open."""
    peer = serve(answering(OK))
    post(transport, peer.url)
    with pytest.raises(NothingSentError):
        post(transport, peer.url, timeout=0)
    assert len(peer.requests) == 1


def test_why_is_told_only_where_nobody_foresaw_it(
    transport: Transport, closed_port: int, looked_up: Callable[[Mock], None]
) -> None:
    """What the socket says may quote the peer; what is no known failure needs its traceback."""
    with pytest.raises(NothingSentError) as refused:
        post(transport, f"http://127.0.0.1:{closed_port}/")
    assert refused.value.__cause__ is None
    fault = LookupError("a fault of ours")
    looked_up(Mock(side_effect=fault))
    with pytest.raises(NothingSentError, match="unexpected") as unforeseen:
        post(transport, "http://a.test/")
    assert unforeseen.value.__cause__ is fault
