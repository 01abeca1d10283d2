"""Idle connections and the TLS context, shared by the threads of one process."""

import select
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from app.upstream.connections import Connection, Origin
from app.upstream.sockets import tls_context

# Servers close idle connections, and a request that crosses such a close has an unknown outcome.
MAX_IDLE_SECONDS = 0.9
MAX_IDLE_CONNECTIONS = 64
# Under steady traffic no connection is idle for long: without a maximum age, it would never follow its host name
# to a new address.
MAX_AGE_SECONDS = 60
# At least this much lies between two looks at what is idle.
_LEAST_SECONDS = 0.1


class ConnectionPool:
    """Idle connections, latest first, at most MAX_IDLE_CONNECTIONS per origin; safe from any thread.

    They are closed after MAX_IDLE_SECONDS even if no call follows: a peer may keep a thread for each, or have one
    for all, and would leave the next connection waiting.

    `clock` returns seconds and measures how long a connection has been idle and open.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[Origin, deque[tuple[float, Connection]]] = {}
        self._closer: threading.Timer | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS context, made once: it takes 60 ms of CPU."""
        with self._lock:
            self._context = self._context or tls_context()
            return self._context

    def take(self, origin: Origin) -> Connection:
        """Return a connection for the caller alone: new, or idle with nothing received since its last response."""
        while connection := self._latest(origin):
            if not _is_readable(connection):
                return connection
            connection.close()
        return Connection(origin, self.context, self._clock())

    def give(self, connection: Connection) -> None:
        """Take a connection back, and close it unless it is reusable, young, and there is room."""
        with self._lock:
            idle, now = self._fresh(connection.origin), self._clock()
            is_young = now - connection.made_at < MAX_AGE_SECONDS
            if connection.reusable and is_young and len(idle) < MAX_IDLE_CONNECTIONS:
                idle.append((now, connection))
                if self._closer is None:
                    self._close_in(MAX_IDLE_SECONDS)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            while self._idle:
                for _, connection in self._idle.popitem()[1]:
                    connection.close()

    def _close_in(self, seconds: float) -> None:
        closer = threading.Timer(max(seconds, _LEAST_SECONDS), self._close_overdue)
        closer.daemon = True
        # If no thread can be started right now, the next connection that is given back tries again.
        with suppress(RuntimeError):
            closer.start()
            self._closer = closer

    def _close_overdue(self) -> None:
        with self._lock:
            self._closer = None
            left = [idle[0][0] for idle in map(self._fresh, list(self._idle)) if idle]
            if left:
                self._close_in(min(left) + MAX_IDLE_SECONDS - self._clock())

    def _latest(self, origin: Origin) -> Connection | None:
        with self._lock:
            idle = self._fresh(origin)
            return idle.pop()[1] if idle else None

    def _fresh(self, origin: Origin) -> deque[tuple[float, Connection]]:
        idle = self._idle.setdefault(origin, deque())
        oldest = self._clock() - MAX_IDLE_SECONDS
        while idle and idle[0][0] < oldest:
            idle.popleft()[1].close()
        return idle


def _is_readable(connection: Connection) -> bool:
    # Readable: closed by the peer, or unrequested bytes came. (select() fails on descriptors over 1,023.)
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
