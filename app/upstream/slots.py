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
        self._free = threading.BoundedSemaphore(count)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place; raises OverloadedError at once when all are taken."""
        if not self._free.acquire(blocking=False):
            raise OverloadedError
        try:
            yield
        finally:
            self._free.release()
