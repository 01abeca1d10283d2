"""Connections that wait for bytes: the loop dispatches those that are readable, any thread can put one back."""

import contextlib
import select
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

_READABLE = 0x1
# EPOLLONESHOT, on Linux only.
_ONCE = 1 << 30


class Poller:
    """Watches connections, and what gunicorn registers itself, as in a selector of `selectors`.

    A connection waits until it is readable or taken, then no more until the next `wait`, which is one system call
    and wakes no thread. Only `wait` may be called from any thread.
    """

    def __init__(
        self, on_readable: Callable[[TConn], None], events: "select.epoll | Elsewhere | None" = None
    ) -> None:
        self._events = events or (select.epoll() if hasattr(select, "epoll") else Elsewhere())
        self._on_readable = on_readable
        self._sources: dict[int, Callable[[], object]] = {}
        self._waiting: dict[int, TConn] = {}

    def __len__(self) -> int:
        """Return the number of waiting connections."""
        return len(self._waiting)

    def register(self, source: Any, _: int, callback: Callable[[Any], object]) -> None:  # noqa: ANN401 - selectors' own
        """Call `callback` whenever the source is readable."""
        number = source if isinstance(source, int) else source.fileno()
        self._sources[number] = lambda: callback(source)
        self._events.register(number, _READABLE)

    def unregister(self, source: Any) -> None:  # noqa: ANN401 - selectors' own
        """Stop watching the source."""
        number = source if isinstance(source, int) else source.fileno()
        del self._sources[number]
        self._events.unregister(number)

    def wait(self, conn: TConn) -> None:
        """Let the connection wait for bytes; any that have already arrived count."""
        number = conn.sock.fileno()
        # First, so that every event finds its connection.
        self._waiting[number] = conn
        try:
            self._events.modify(number, _READABLE | _ONCE)
        except FileNotFoundError:
            # The system may watch no more (epoll_ctl(2)): the loop, which this would end, cuts the connection off
            # at its deadline.
            with contextlib.suppress(OSError):
                self._events.register(number, _READABLE | _ONCE)

    def dispatch(self, timeout: float) -> None:
        """Wait for at most `timeout` seconds, and call back for all that is readable."""
        for number, _ in self._events.poll(timeout):
            # An event may be stale, its connection taken since: then it finds neither a connection nor a source.
            conn = self._waiting.pop(number, None)
            if conn is not None:
                self._on_readable(conn)
            elif number in self._sources:
                self._sources[number]()

    def waiting(self) -> list[TConn]:
        """Return all waiting connections."""
        return list(self._waiting.values())

    def take(self, conn: TConn) -> None:
        """Let the connection wait no more."""
        del self._waiting[conn.sock.fileno()]

    def close(self) -> None:
        """Stop watching everything."""
        self._events.close()


class Elsewhere:
    """Replaces epoll where there is none, as on macOS, whose kqueue also accepts descriptors while polling.

    It has the methods of `select.epoll` that are used.
    """

    def __init__(self) -> None:
        self._selector = DefaultSelector()

    def register(self, number: int, mask: int) -> None:
        """Watch a file descriptor."""
        self.unregister(number)
        self._selector.register(number, EVENT_READ, mask)

    def modify(self, number: int, mask: int) -> None:
        """Watch it with this mask from now on."""
        self.register(number, mask)

    def unregister(self, number: int) -> None:
        """Stop watching it."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(number)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Return readable descriptors, after `timeout` seconds at the latest."""
        found = [(key.fd, key.data) for key, _ in self._selector.select(timeout)]
        for number, mask in found:
            if mask & _ONCE:
                self.unregister(number)
        return found

    def close(self) -> None:
        """Release the resources."""
        self._selector.close()
