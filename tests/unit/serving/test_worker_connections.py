"""What becomes of connections in the worker, whatever fails: each ends alone, and the loop goes on."""

import contextlib
import gc
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from errno import EAGAIN, ECONNABORTED, EMFILE, ENFILE, EPROTO
from pathlib import Path
from signal import SIGTERM
from threading import Event, Thread
from time import monotonic
from typing import NoReturn
from unittest.mock import Mock
from weakref import finalize

import pytest
from gunicorn.workers.gthread import (  # type: ignore[import-untyped]
    STOP_KEEPALIVE_LINGER,
    PollableMethodQueue,
)

from config.serving.arrivals import Arrival
from tests.unit.serving.workers import served

# Seconds that are more than enough.
PATIENCE = 30


class Failing(socket.socket):
    """A listener on which nothing can be accepted."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def accept(self) -> NoReturn:
        raise OSError(self._number, os.strerror(self._number))


class NotUnderstood(Arrival):
    """What is waited for of a request, with a fault once its head is there."""

    def add(self, _: bytes) -> NoReturn:
        self.has_head = True
        raise MemoryError


def test_an_error_of_accept_is_no_end() -> None:
    """Whatever befalls a connection before it is taken in: a line in the log, and the next one is served.

    A line that says the same follows only once a connection was taken in.
    """
    with served() as worker, socket.create_server(("127.0.0.1", 0)) as listener:
        told, errors = list[str](), [ENFILE, ENFILE, EPROTO, EAGAIN, ECONNABORTED]
        worker.worker.log.error = lambda event, extra: told.append(f"{event}: {extra['reason']}")
        went = []
        for number in errors:
            with Failing(number) as failing:
                went.append(worker.worker.accept_now(failing))
        with socket.create_connection(listener.getsockname()):
            assert worker.worker.accept_now(listener)
        for conn in worker.worker.poller.waiting():
            conn.close()
        with Failing(EPROTO) as failing:
            worker.worker.accept_now(failing)
        assert (went, worker.worker.nr_conns) == ([False, False, False, True, True], 1)
        assert told == [f"connection not accepted: {os.strerror(number)}" for number in (ENFILE, EPROTO, EPROTO)]


def test_nobody_is_waited_for_who_cannot_be_taken_in() -> None:
    """A worker that stops lets go of its address at once, with all that waits there."""
    with served() as worker, Failing(EMFILE) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            worker.worker.sockets, worker.worker.alive = [listener], False
            worker.worker.handle_exit(SIGTERM, None)
            worker.worker.set_accept_enabled(enabled=False)
            worker.worker.murder_pending()
            assert (listener.fileno(), worker.worker.nr_conns) == (-1, 0)


def test_the_loop_waits_for_nobody_who_is_to_go_on() -> None:
    """A thread has answered on this connection and let it block; nothing is read there, and nothing more fits."""
    with served() as worker:
        conn = worker.accept()
        worker.accepted.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                worker.accepted.send(b"x" * 65536)
        worker.accepted.setblocking(True)
        asking = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        loop = Thread(target=worker.worker._adds, args=(conn, asking), daemon=True)
        loop.start()
        loop.join(PATIENCE)
        assert not loop.is_alive()


@pytest.mark.parametrize("error", [ConnectionResetError, MemoryError])
def test_bytes_that_cannot_be_read_end_their_connection_alone(error: type[Exception]) -> None:
    """As if the client had hung up; the loop goes on."""
    with served() as worker:
        conn = worker.accept()
        conn.sock = Mock(fileno=Mock(side_effect=error))
        assert worker.worker._reads(conn)
        assert (conn.arrival.has_head, conn.arrival.is_cut) == (False, True)


@pytest.mark.parametrize("log", [Mock(), None], ids=["logged", "not even logged"])
def test_bytes_that_nobody_understands_end_their_connection_alone(log: Mock | None) -> None:
    """The loop goes on, and counts right: a fault of ours in reading from one client is none of the others'."""
    with served() as worker:
        conn = worker.accept()
        worker.worker.log = log
        conn.arrival = NotUnderstood(65536)
        worker.client.sendall(b"x")
        worker.serve()
        worker.client.settimeout(PATIENCE)
        assert worker.client.recv(1) == b""
        assert worker.worker.nr_conns == 0
        assert log is None or log.exception.call_args.args == ("bytes not understood",)


def test_a_failure_that_cannot_be_logged_ends_its_connection_alone() -> None:
    """The loop is told to close it, before the thread's failure is anybody else's."""
    with served() as worker:
        worker.worker.wsgi, worker.worker.log = None, None
        worker.client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(AttributeError):
            worker.accept()
        worker.worker.method_queue.run_callbacks(None)
        worker.client.settimeout(PATIENCE)
        assert worker.client.recv(1) == b""


def test_a_failure_that_was_not_logged_is_logged_by_its_thread() -> None:
    """So that there is a line for it if at all possible."""
    with served() as worker:
        lines = Mock(side_effect=[MemoryError, None])
        worker.worker.wsgi, worker.worker.log = None, Mock(log=Mock(side_effect=MemoryError), exception=lines)
        worker.accept()
        worker.worker.tpool = pool = worker.worker.get_thread_pool()
        worker.client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        worker.serve()
        pool.shutdown(wait=True)
        assert [call.args for call in lines.call_args_list] == [("no answer",), ("connection lost",)]


def test_who_can_have_no_thread_accepts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection waits for another worker; the one that accepted it would end, and cut it off."""
    with served() as worker, socket.create_server(("127.0.0.1", 0)) as listener:
        worker.worker.sockets, worker.worker.tpool = [listener], worker.worker.get_thread_pool()
        monkeypatch.setattr(Thread, "start", Mock(side_effect=RuntimeError))
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(RuntimeError):
                worker.worker.run()
            listener.setblocking(False)
            accepted, _ = listener.accept()
            accepted.close()


def test_an_idle_connection_keeps_no_worker_that_stops() -> None:
    """Whether it was idle already or its request was just answered: for a request on its way two seconds do."""
    with served() as worker:
        worker.worker.cfg.set("keepalive", 600)
        conn = worker.accept()
        worker.client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        worker.serve()
        assert conn.arrival.deadline > monotonic() + 500
        worker.worker._cap_keepalive(7.0)
        assert conn.arrival.deadline == 7.0

        worker.worker.alive = False
        worker.worker._keep_alive(conn)
        assert conn.arrival.deadline <= monotonic() + STOP_KEEPALIVE_LINGER


def test_what_is_answered_as_its_worker_ends_is_no_failure() -> None:
    """Nobody waits for the next request any more, and the end of the process closes the connection."""
    with served() as worker:
        conn = worker.accept()
        worker.worker.poller.close()
        worker.worker._keep_alive(conn)


def test_what_is_answered_after_its_worker_ended_is_written_nowhere_else(tmp_path: Path) -> None:
    """A thread outlives the loop, and tells it of its connection: into no file that was opened meanwhile.

    The byte would stand where that file goes on, such as at the head of the store's.
    """
    begun, over = Event(), Event()

    def application(_: object, start_response: Callable[..., object]) -> list[bytes]:
        begun.set()
        over.wait(PATIENCE)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]

    with served() as worker, ExitStack() as stack:
        worker.worker.cfg.set("graceful_timeout", 0)
        worker.worker.wsgi, worker.worker.alive = application, False
        worker.worker.tpool = pool = worker.worker.get_thread_pool()
        stack.callback(PollableMethodQueue.close, worker.worker.method_queue)
        worker.client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        worker.accept()
        assert begun.wait(PATIENCE)
        highest = stack.enter_context(tmp_path.joinpath("highest").open("wb")).fileno()
        worker.worker.run()
        file = tmp_path / "opened"
        # All descriptors that the loop has given up: those that are free are given out from the lowest on.
        while stack.enter_context(file.open("wb")).fileno() < highest:
            pass
        over.set()
        pool.shutdown(wait=True)
        assert file.read_bytes() == b""


def test_who_is_cut_is_told_that_the_connection_closes() -> None:
    """What of the body is still to come must not be the next request (RFC 9112 section 9.6)."""
    with served() as worker:
        worker.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        worker.accept()
        worker.client.settimeout(PATIENCE)
        assert b"\r\nConnection: close\r\n" in worker.client.recv(65536)


@pytest.mark.parametrize("target", [b"/", b"/%20"], ids=["plain", "gunicorn's"])
def test_no_hook_of_gunicorn_is_called_around_a_request(target: bytes) -> None:
    """As docs/operating says: what `pre_request` or `post_request` raises would end a request that may be sent."""
    with served() as worker:
        called: list[str] = []
        worker.worker.cfg.set("pre_request", lambda worker, req: called.append("before"))  # noqa: ARG005 - gunicorn's
        worker.worker.cfg.set("post_request", lambda worker, req, environ, resp: called.append("after"))  # noqa: ARG005
        worker.client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
        worker.accept()
        worker.client.settimeout(PATIENCE)
        assert worker.client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert called == []


@pytest.mark.parametrize("target", [b"/", b"/%20"], ids=["plain", "gunicorn's"])
def test_a_request_that_came_with_the_one_before_is_served(target: bytes) -> None:
    """Nothing more will arrive for it: its bytes are those that the one before has left."""
    with served() as worker:
        worker.client.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target * 2)
        assert worker.accept().parser.rest() != b""
        worker.worker.method_queue.run_callbacks(None)
        worker.client.settimeout(PATIENCE)
        answered = b""
        while answered.count(b"{}") < 2:
            answered += worker.client.recv(65536)
        assert answered.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nA: b", b"GET / HTTP/1.1\r\n\r\n", b"GET /%20 HTTP/1.1\r\n\r\n"]
)
def test_a_connection_that_ends_is_freed_at_once(sent: bytes) -> None:
    """With all that came on it, without the collector: it counts objects, and not what they hold."""
    with served() as worker:
        freed = Event()
        finalize(worker.accept(), freed.set)
        gc.disable()
        try:
            for data in (sent, b""):
                worker.client.sendall(data)
                if not data:
                    worker.client.shutdown(socket.SHUT_WR)
                worker.serve()
            assert worker.worker.nr_conns == 0
            assert freed.is_set()
        finally:
            gc.enable()
