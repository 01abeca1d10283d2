"""How many requests may wait for other services at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place; raises OverloadedError at once when all are taken."""
        if not self._free.acquire(blocking=False):
            raise OverloadedError
        place = object()
        self._taken.add(place)
        try:
            yield
        finally:
            self._taken.discard(place)
            self._free.release()
