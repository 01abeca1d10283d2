"""Accepting connections, and closing the listening sockets."""

import socket
from select import select
from time import sleep
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from config.serving.connection import Connection
from config.serving.failure_log import FailureLog

# Pause before a worker that has connections accepts another, so that an idler worker comes first: 20 µs requested
# take about 70. At 200 µs, two workers accepted a sixth fewer connections from clients without keep-alive.
COURTESY_SECONDS = 0.00002
# Pause after a failed accept: the poller would report the pending connection again at once.
FAILURE_SECONDS = 0.01


class AcceptingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Survives errors of accept, and closes its listening sockets once told to stop."""

    # Stays false for a worker that stops at max_requests, which leaves connections to the next one.
    is_told_to_stop = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        super().__init__(*args, **kwargs)
        self._failures = FailureLog(self.log, "connection not accepted")

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, after a pause if another worker may have fewer and should be faster.

        All workers wake up for it, and the first one would take every connection that a client opens at once.
        """
        if self.nr_conns and self.cfg.workers > 1:
            sleep(COURTESY_SECONDS)
        self.accept_now(listener)

    def accept_now(self, listener: socket.socket) -> bool:
        """Accept a connection if one is pending; return False if none can be accepted now, even if some are."""
        try:
            sock, address = listener.accept()
            conn = Connection(self.cfg, sock, address, listener.getsockname())
        except (BlockingIOError, ConnectionAbortedError):
            # Another worker has accepted it, or the client has gone.
            return True
        except OSError as error:
            # Out of files or memory, or an earlier error of the connection (accept(2)): gunicorn would exit.
            self._failures.tell(error)
            sleep(FAILURE_SECONDS)
            return False
        self._failures.end()
        self.nr_conns += 1
        self.enqueue_req(conn)
        return True

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Start or stop accepting connections."""
        super().set_accept_enabled(enabled)
        if self.is_told_to_stop:
            self.let_go()

    def let_go(self) -> None:
        """Close the listening sockets if accepting is off, after taking in the connections already pending.

        Gunicorn would keep listening while it drains, and finally reset what came in meanwhile. If nobody listens,
        a proxy goes elsewhere before it has sent a byte. A worker that stops at max_requests leaves pending
        connections to others, and closes its sockets only if it is also told to stop.
        """
        while self.sockets and not self._accepting:
            listener = self.sockets.pop()
            while self._has_waiting(listener) and self.accept_now(listener):
                pass
            listener.close()

    def _has_waiting(self, listener: socket.socket) -> bool:
        """Return whether a connection is pending that this worker has room for."""
        return self.nr_conns < self.worker_connections and bool(select([listener], [], [], 0)[0])
