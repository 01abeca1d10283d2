"""Which connections have bytes, for the loop that serves everybody; any thread can put one back."""

from collections.abc import Callable
from select import EPOLLIN, EPOLLONESHOT, epoll
from typing import Any

from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]


class Poller:
    """What waits: connections, and what gunicorn registers by itself, as it would in one of `selectors`.

    A connection waits until it is readable or taken, and then no more until it is told to wait again: going back
    is one call of the system, and wakes nobody. Only `wait` is for any thread.
    """

    def __init__(self, on_readable: Callable[[TConn], None]) -> None:
        self._epoll = epoll()
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
        self._epoll.register(number, EPOLLIN)

    def unregister(self, source: Any) -> None:  # noqa: ANN401 - selectors' own
        """Call no more."""
        number = source if isinstance(source, int) else source.fileno()
        del self._sources[number]
        self._epoll.unregister(number)

    def wait(self, conn: TConn) -> None:
        """Let it wait for bytes, also for those that are here already."""
        number = conn.sock.fileno()
        # First, lest an event finds nobody.
        self._waiting[number] = conn
        try:
            self._epoll.modify(number, EPOLLIN | EPOLLONESHOT)
        except FileNotFoundError:
            self._epoll.register(number, EPOLLIN | EPOLLONESHOT)

    def dispatch(self, timeout: float) -> None:
        """Wait for at most so long, and give everybody that is readable what is theirs."""
        for number, _ in self._epoll.poll(timeout):
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
        self._epoll.close()
