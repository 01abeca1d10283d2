"""Takes requests in and gives them to threads: a request gets one when all of it is here.

Gunicorn's own thread worker gives a connection a thread and then reads, without a limit in time: as many half-sent
requests as there are threads stop it for good. Here the loop that accepts connections reads from them too, and
threads read what came. This is what a buffering proxy does; TLS and HTTP/2 stay with a proxy in front.
"""

import contextlib
import os
import socket
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER  # type: ignore[import-untyped]

from config.serving.accepting import AcceptingWorker
from config.serving.arrivals import Arrival, Farewell, Pause
from config.serving.client import Client
from config.serving.poller import Poller
from config.serving.pool import Pool
from config.serving.reader import Reader

# How late what is late may be noticed while others are served.
LOOK_SECONDS = 0.25
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class IntakeWorker(AcceptingWorker):
    """The loop takes in what comes, and a thread that has answered puts the connection back by itself.

    Connections are counted and closed in the loop alone.
    """

    largest_body = 65536
    # From `run` on; gunicorn makes another one before.
    poller: Poller

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        super().__init__(*args, **kwargs)
        self._next_look = 0.0

    def get_thread_pool(self) -> Pool[Client]:
        """Make the threads."""
        return Pool(self.cfg.threads, self._serve)

    def run(self) -> None:
        """Serve until told to stop."""
        # Gunicorn asks for some twenty settings a request, each in three steps; from now on they stay as they are.
        self.cfg.__dict__.update((name, setting.get()) for name, setting in self.cfg.settings.items())
        self.poller.close()
        self.poller = Poller(self._on_readable)
        try:
            super().run()
        finally:
            self.tpool.shutdown()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Give everybody that is readable what is theirs; a worker that stops looks often at what is late."""
        self.poller.dispatch(timeout if self.alive else min(timeout, LOOK_SECONDS))

    def enqueue_req(self, conn: Client) -> None:
        """Take a request in. Gunicorn calls it where it would give a thread to the connection."""
        rest = conn.parser.rest() if conn.parser else b""
        conn.arrival = Arrival(self.largest_body)
        conn.parser = Reader(conn.peer, conn.arrival)
        if (rest and self._adds(conn, rest)) or self._reads(conn):
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def murder_pending(self) -> None:
        """End what is late. Gunicorn calls it at least once a second, also while it stops."""
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
        """Let those that are kept alive go by then; gunicorn calls it when it begins to stop."""
        for conn in self.poller.waiting():
            if isinstance(conn.arrival, Pause):
                conn.arrival.end_by(deadline)

    def _on_readable(self, conn: Client) -> None:
        if isinstance(conn.arrival, Pause):
            self.enqueue_req(conn)
        elif self._reads(conn):
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def _serve(self, conn: Client) -> None:
        """Answer a request, in a thread. What is counted or closed is so in the loop."""
        may_follow = False
        try:
            may_follow = self.handle(conn)
        except BaseException:  # whatever it is, the connection ends, and nothing else
            self.log.exception("no answer")
        if not may_follow:
            self.method_queue.defer(self._part, conn)
        elif conn.parser.rest():
            # Gunicorn lets it block for its threads; the loop reads from it whether or not the rest is here.
            conn.sock.setblocking(False)
            self.method_queue.defer(self.enqueue_req, conn)
        else:
            self._pause(conn)

    def _pause(self, conn: Client) -> None:
        pause = conn.arrival = Pause(self.cfg.keepalive)
        # Its end may also have come: then the connections are closed with the process.
        with contextlib.suppress(OSError, ValueError):
            self.poller.wait(conn)
        # Asked after it waits, so that either this or `_cap_keepalive` sees it.
        if not self.alive:
            pause.end_by(monotonic() + STOP_KEEPALIVE_LINGER)

    def _part(self, conn: Client) -> None:
        """Shut our side, and let the loop wait for the client's end: to close now could destroy the answer.

        Gunicorn waits in the thread.
        """
        conn.arrival.drop()
        conn.arrival = Farewell()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
        except OSError:
            # The client has gone.
            self._go_on(conn)
        else:
            self.poller.wait(conn)

    def _reads(self, conn: Client) -> bool:
        """Whether there is nothing more to wait for."""
        try:
            # Not `recv`, which would wait as long as the socket's timeout says. The file blocks only where it was
            # let, and then there is something to read.
            data = os.read(conn.sock.fileno(), 65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        return self._adds(conn, data)

    @staticmethod
    def _adds(conn: Client, data: bytes) -> bool:
        """Whether there is nothing more to wait for, with these bytes; a client that asks may go on."""
        arrival = conn.arrival
        is_over: bool = arrival.add(data)
        if arrival.expects_continue:
            arrival.expects_continue = False
            # What it has not taken before, or cannot take any more, is its own loss: nobody waits for it.
            with contextlib.suppress(OSError):
                # A thread that answered on it before has let it block.
                conn.sock.setblocking(False)
                os.write(conn.sock.fileno(), _CONTINUE)
        return is_over

    def _go_on(self, conn: Client) -> None:
        if conn.arrival.has_head:
            self.tpool.submit(conn)
        else:
            self.nr_conns -= 1
            conn.close()
