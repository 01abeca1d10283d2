"""A gunicorn worker whose threads wait for no client: a request gets one when all of it is here.

Gunicorn's own thread worker gives a connection a thread and then reads, without a limit in time: as many half-sent
requests as there are threads stop it for good. Here the loop that accepts connections reads from them too, and
threads read what came. This is what a buffering proxy does; TLS and HTTP/2 stay with a proxy in front.
"""

import contextlib
import socket
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from select import select
from selectors import EVENT_READ
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from gunicorn.http import Request, get_parser  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from config.arrivals import HEAD_SECONDS, Arrival, Farewell

# Most answers fit into the socket's buffer; a client that leaves it full for so long does not read.
ANSWER_SECONDS = 5.0

# What the parser refuses is 400, or one of these.
_REFUSALS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REFUSAL = b"HTTP/1.1 %d %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Watch(Protocol):
    """What an application sees of itself."""

    def publish(self) -> None:
        """Tell how things stand; called about once a second."""

    def drain(self) -> None:
        """Say that no more requests should come."""


class DeadlineWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Takes 5 s for a request's head and 10 s for its body, in total, however they are spread.

    After that a head is dropped, and a body ends where it is: the application answers it as one that was cut off.
    So is a body of more than `largest_body` bytes, which the application must refuse. Either ends the connection.
    """

    largest_body = 65536
    watch: Watch | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        super().__init__(*args, **kwargs)
        self._incoming: dict[TConn, Arrival | Farewell] = {}
        self._next_publication = 0.0

    def run(self) -> None:
        """Serve until told to stop."""
        for listener in self.sockets:
            # Linux accepts a connection when its first bytes are here; unix sockets and others know no such thing.
            with contextlib.suppress(AttributeError, OSError):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(HEAD_SECONDS))
        super().run()

    def notify(self) -> None:
        """Show the master that the worker is alive, and everybody how things stand in it, once a second."""
        now = monotonic()
        if now < self._next_publication:
            return
        self._next_publication = now + 1.0
        super().notify()
        if self.watch is not None:
            self.watch.publish()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        if self.watch is not None:
            self.watch.drain()
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Accept connections or leave them to others; at the end those that are here, and then no more.

        Gunicorn would go on listening while it finishes, and reset at last what came in meanwhile. Where nobody
        listens, a proxy goes elsewhere before it has sent a byte.
        """
        super().set_accept_enabled(enabled)
        if not (self.alive or enabled):
            for listener in self.sockets:
                while self._has_waiting(listener):
                    self.accept(listener)
                listener.close()

    def enqueue_req(self, conn: TConn) -> None:
        """Take a request in. Gunicorn calls it where it would give a thread to the connection."""
        rest = conn.parser.unreader.take_buffered() if conn.parser else b""
        conn.arrival = Arrival(self.largest_body)
        conn.parser, conn.data_ready = get_parser(self.cfg, conn.arrival, conn.client), True
        conn.sock.setblocking(False)
        if (rest and conn.arrival.add(rest)) or self._reads(conn):
            self._go_on(conn)
        else:
            self._await(conn)

    def handle(self, conn: TConn) -> bool:
        """Answer a request, in a thread; whether another one may follow."""
        return super().handle(conn) and not conn.arrival.is_cut

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Hand the request to the application."""
        if conn.arrival.is_cut:
            req.force_close()
        # A total for each piece of the answer (socket.sendall).
        conn.sock.settimeout(ANSWER_SECONDS)
        try:
            may_follow = super().handle_request(req, conn)
        except TimeoutError:
            return False
        return may_follow and self._is_well_formed(conn)

    def handle_error(self, req: Request | None, client: socket.socket, addr: object, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's
        """Refuse what the parser refuses, and repeat nothing of it, here or in the log: it may hold a token."""
        is_ours = not isinstance(exc, ParseException)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if is_ours else _REFUSALS.get(type(exc), HTTPStatus.BAD_REQUEST)
        told = {"status": status.value, "reason": type(exc).__name__}
        self.log.log("error" if is_ours else "info", "no request", extra=told)
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.send(_REFUSAL % (status.value, status.phrase.encode()))

    def finish_request(self, conn: TConn, fs: "Future[bool]") -> None:
        """Wait for the next request, or let the client read the last answer; gunicorn would wait here for that."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        conn.arrival = Farewell()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            # The client has gone.
            self._go_on(conn)
        else:
            self._await(conn)

    def murder_pending(self) -> None:
        """End what is late. Gunicorn calls it at least once a second, also while it stops."""
        now = monotonic()
        for conn in [conn for conn, arrival in self._incoming.items() if arrival.deadline <= now]:
            conn.arrival.is_cut = True
            self._leave(conn)

    def _await(self, conn: TConn) -> None:
        self._incoming[conn] = conn.arrival
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_readable, conn))

    def _on_readable(self, conn: TConn, _: socket.socket) -> None:
        if self._reads(conn):
            self._leave(conn)

    def _leave(self, conn: TConn) -> None:
        del self._incoming[conn]
        self.poller.unregister(conn.sock)
        self._go_on(conn)

    def _reads(self, conn: TConn) -> bool:
        """Whether there is nothing more to wait for."""
        arrival = conn.arrival
        try:
            is_over: bool = arrival.add(conn.sock.recv(65536))
            if arrival.expects_continue:
                arrival.expects_continue = False
                conn.sock.send(_CONTINUE)
        except BlockingIOError:
            return False
        except OSError:
            return bool(arrival.add(b""))
        return is_over

    def _has_waiting(self, listener: socket.socket) -> bool:
        """Whether a connection waits that this worker has room for."""
        return self.nr_conns < self.worker_connections and bool(select([listener], [], [], 0)[0])

    @staticmethod
    def _is_well_formed(conn: TConn) -> bool:
        """Whether what the application left of a body is; gunicorn would answer it a second time if not."""
        with contextlib.suppress(ParseException, OSError):
            is_over = bool(conn.parser.finish_body())
            # Gunicorn looks there for the next request.
            unreader = conn.parser.unreader
            unreader.unread(unreader.take_buffered() + conn.arrival.rest())
            return is_over
        return False

    def _go_on(self, conn: TConn) -> None:
        if conn.arrival.has_head:
            super().enqueue_req(conn)
        else:
            self.nr_conns -= 1
            conn.close()
