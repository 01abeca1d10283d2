"""Request intake: a request gets a thread once all of it has arrived.

Gunicorn's own thread worker gives a connection a thread and then reads without a time limit: as many half-sent
requests as there are threads block it for good. Here the loop that accepts connections also reads from them, and
threads read what it received. This is what a buffering proxy does; TLS and HTTP/2 stay with a proxy in front.
"""

import contextlib
import os
import socket
from functools import partial
from time import monotonic

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER  # type: ignore[import-untyped]

from config.serving.accepting import AcceptingWorker
from config.serving.arrivals import Arrival, KeepAlive, LingeringClose
from config.serving.connection import Connection
from config.serving.poller import Poller
from config.serving.reader import Reader
from config.serving.thread_pool import ThreadPool

# How late a missed deadline may be noticed while other connections are served.
LOOK_SECONDS = 0.25
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class IntakeWorker(AcceptingWorker):
    """Reads requests in the loop; a thread that has served one puts the connection back itself.

    Only the loop counts and closes connections.
    """

    largest_body = 65536
    # Set by `run`, replacing gunicorn's own.
    poller: Poller
    _next_look = 0.0

    def get_thread_pool(self) -> ThreadPool[Connection]:
        """Create the thread pool."""
        return ThreadPool(self.cfg.threads, self._serve, partial(self.log.exception, "connection lost"))

    def run(self) -> None:
        """Serve until told to stop."""
        # Settings become plain attributes, final from now on: gunicorn looks up some twenty per request, each in
        # three steps.
        self.cfg.__dict__.update((name, setting.get()) for name, setting in self.cfg.settings.items())
        self.poller.close()
        self.poller = Poller(self._on_readable)
        # Stays open when the loop ends: a thread that is busy for longer would write to whatever file, such as the
        # store's, has the descriptor's number by then.
        self.method_queue.close = lambda: None
        # A worker that can have no thread must not accept what it would have to drop.
        self.tpool.start_thread()
        try:
            super().run()
        finally:
            self.tpool.shutdown()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Dispatch what is readable; a stopping worker wakes up often, to notice missed deadlines."""
        self.poller.dispatch(timeout if self.alive else min(timeout, LOOK_SECONDS))

    def enqueue_req(self, conn: Connection) -> None:
        """Start receiving a request. Gunicorn calls this where it would give the connection a thread."""
        rest = conn.parser.rest() if conn.parser else b""
        conn.arrival = Arrival(self.largest_body)
        conn.parser = Reader(conn.peer, conn.arrival)
        if (rest and self._adds(conn, rest)) or self._reads(conn):
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def murder_pending(self) -> None:
        """Cut off what has missed its deadline; gunicorn calls this at least once a second, also when stopping."""
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if self.is_told_to_stop:
            self.let_go()
        for conn in self.poller.waiting():
            if conn.arrival.deadline <= now:
                conn.arrival.is_cut = True
                self.poller.take(conn)
                self._go_on(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """Keep idle connections no longer than to `deadline`; gunicorn calls this when it begins to stop."""
        for conn in self.poller.waiting():
            if isinstance(conn.arrival, KeepAlive):
                conn.arrival.end_by(deadline)

    def _on_readable(self, conn: Connection) -> None:
        if isinstance(conn.arrival, KeepAlive):
            self.enqueue_req(conn)
        elif self._reads(conn):
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def _serve(self, conn: Connection) -> None:
        """Serve a request, in a thread. Counting and closing are left to the loop."""
        may_follow = False
        try:
            may_follow = self.handle(conn)
        except BaseException:  # whatever it is, it ends the connection and nothing else
            self.log.exception("no answer")
        finally:
            # Even if that could not be logged.
            if not may_follow:
                self.method_queue.defer(self._linger, conn)
            elif conn.parser.rest():
                # Gunicorn made it blocking for the thread; the loop reads from it whether or not more has arrived.
                conn.sock.setblocking(False)
                self.method_queue.defer(self.enqueue_req, conn)
            else:
                self._keep_alive(conn)

    def _keep_alive(self, conn: Connection) -> None:
        waiting = conn.arrival = KeepAlive(self.cfg.keepalive)
        # The poller may be closed already: then the process is ending, and closes its connections.
        with contextlib.suppress(OSError, ValueError):
            self.poller.wait(conn)
        # Checked after `wait`, so that either this or `_cap_keepalive` caps it.
        if not self.alive:
            waiting.end_by(monotonic() + STOP_KEEPALIVE_LINGER)

    def _linger(self, conn: Connection) -> None:
        """Shut down our side, and let the poller wait for the client's: closing now could destroy the response.

        Gunicorn would block its loop meanwhile.
        """
        conn.arrival.drop()
        conn.arrival = LingeringClose()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            # The client has gone.
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def _reads(self, conn: Connection) -> bool:
        """Read what has arrived; return whether there is nothing more to wait for."""
        try:
            # Not `recv`, which would wait for the socket's timeout. The descriptor blocks only if it was set to,
            # and then there is something to read.
            data = os.read(conn.sock.fileno(), 65536)
        except BlockingIOError:
            return False
        except (OSError, MemoryError):
            # Reset, or larger than the memory that is left: the connection ends, not the loop.
            data = b""
        return self._adds(conn, data)

    def _adds(self, conn: Connection, data: bytes) -> bool:
        """Add bytes, sending 100 Continue if it is expected; return whether there is nothing more to wait for."""
        arrival = conn.arrival
        try:
            is_over: bool = arrival.add(data)
        except Exception:
            # It ends the connection and nothing else, even if it cannot be logged.
            arrival.has_head = False
            with contextlib.suppress(Exception):
                self.log.exception("bytes not understood")
            return True
        if arrival.expects_continue:
            arrival.expects_continue = False
            # Nobody waits for a client that has not read earlier responses, or has gone: the loss is its own.
            with contextlib.suppress(OSError):
                # A thread that served this connection before has left it blocking.
                conn.sock.setblocking(False)
                os.write(conn.sock.fileno(), _CONTINUE)
        return is_over

    def _go_on(self, conn: Connection) -> None:
        """Give what has arrived to a thread if it is a request, even a cut one; else close the connection."""
        if conn.arrival.has_head:
            self.tpool.submit(conn)
        else:
            self.nr_conns -= 1
            conn.close()
