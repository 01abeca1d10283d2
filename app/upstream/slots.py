"""How many requests may wait for other services at once."""

import threading
from contextlib import AbstractContextManager

from app.errors import OverloadedError


class Slots:
    """A fixed number of places, taken without waiting.

    There are fewer of them than threads, so that a service that hangs cannot stop those answers that need none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = threading.BoundedSemaphore(count)
        self._taken: set[object] = set()

    @property
    def in_use(self) -> int:
        """How many places are taken now."""
        return len(self._taken)

    def taken(self) -> AbstractContextManager[None]:
        """Around what needs a place; raises OverloadedError at once when all are taken."""
        return _Place(self._free, self._taken)


class _Place(AbstractContextManager[None]):
    __slots__ = ("_free", "_taken")

    def __init__(self, free: threading.BoundedSemaphore, taken: "set[object]") -> None:
        self._free = free
        self._taken = taken

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise OverloadedError
        self._taken.add(self)

    def __exit__(self, *_: object) -> None:
        self._taken.discard(self)
        self._free.release()
