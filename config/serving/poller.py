"""The connections that wait for bytes: the loop dispatches those that have some, any thread can put one back."""

import contextlib
import select
from collections.abc import Callable
from selectors import EVENT_READ, DefaultSelector
from typing import Any, Protocol

from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

_READABLE = 0x1
# Linux's own (EPOLLONESHOT).
_ONCE = 1 << 30


class Events(Protocol):
    """What is used of `select.epoll`."""

    def register(self, number: int, mask: int, /) -> None:
        """Tell of this file."""

    def modify(self, number: int, mask: int, /) -> None:
        """Tell of it so from now on; FileNotFoundError where it was never registered."""

    def unregister(self, number: int, /) -> None:
        """Tell no more."""

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        """Those that are readable, by then at the latest."""

    def close(self) -> None:
        """Free it."""


class Poller:
    """What waits: connections, and what gunicorn registers by itself, as it would in one of `selectors`.

    A connection waits until it is readable or taken, and then no more until it is told to wait again: going back
    is one call of the system, and wakes nobody. Only `wait` is for any thread.
    """

    def __init__(self, on_readable: Callable[[TConn], None], events: Events | None = None) -> None:
        self._events = events or (select.epoll() if hasattr(select, "epoll") else Elsewhere())
        self._on_readable = on_readable
        self._sources: dict[int, Callable[[], object]] = {}
        self._waiting: dict[int, TConn] = {}

    def __len__(self) -> int:
        """How many connections wait."""
        return len(self._waiting)

    def register(self, source: Any, _: int, callback: Callable[[Any], object]) -> None:  # noqa: ANN401 - selectors' own
        """Call that whenever the source is readable."""
        number = source if isinstance(source, int) else source.fileno()
        self._sources[number] = lambda: callback(source)
        self._events.register(number, _READABLE)

    def unregister(self, source: Any) -> None:  # noqa: ANN401 - selectors' own
        """Stop watching the source."""
        number = source if isinstance(source, int) else source.fileno()
        del self._sources[number]
        self._events.unregister(number)

    def wait(self, conn: TConn) -> None:
        """Let it wait for bytes, also for those that are here already."""
        number = conn.sock.fileno()
        # First, lest an event finds nobody.
        self._waiting[number] = conn
        try:
            self._events.modify(number, _READABLE | _ONCE)
        except FileNotFoundError:
            self._events.register(number, _READABLE | _ONCE)

    def dispatch(self, timeout: float) -> None:
        """Wait for at most so long, and give everybody that is readable what is theirs."""
        for number, _ in self._events.poll(timeout):
            # An event may be older than what was taken since, or what has the number now: then it is nobody's.
            conn = self._waiting.pop(number, None)
            if conn is not None:
                self._on_readable(conn)
            elif number in self._sources:
                self._sources[number]()

    def waiting(self) -> list[TConn]:
        """All connections that wait."""
        return list(self._waiting.values())

    def take(self, conn: TConn) -> None:
        """Let it wait no more."""
        del self._waiting[conn.sock.fileno()]

    def close(self) -> None:
        """Wait for nothing any more."""
        self._events.close()


class Elsewhere:
    """The same where there is no epoll, as on a developer's Mac; its kqueue too may be told of files meanwhile."""

    def __init__(self) -> None:
        self._selector = DefaultSelector()

    def register(self, number: int, mask: int) -> None:
        """Tell of this file."""
        self.unregister(number)
        self._selector.register(number, EVENT_READ, mask)

    def modify(self, number: int, mask: int) -> None:
        """Tell of it so from now on."""
        self.register(number, mask)

    def unregister(self, number: int) -> None:
        """Tell no more."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(number)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Those that are readable, by then at the latest."""
        found = [(key.fd, key.data) for key, _ in self._selector.select(timeout)]
        for number, mask in found:
            if mask & _ONCE:
                self.unregister(number)
        return found

    def close(self) -> None:
        """Free it."""
        self._selector.close()
