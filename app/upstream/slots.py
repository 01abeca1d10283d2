"""A bound on how many requests wait at once."""

import threading
from contextlib import AbstractContextManager

from app.errors import OverloadedError


class Slots(AbstractContextManager[None]):
    """A fixed number of slots, taken without waiting: `with slots:` raises OverloadedError if none is free.

    There are fewer slots than threads, so that a hanging service cannot block requests that need none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.in_use = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self.in_use >= self.count:
                raise OverloadedError
            self.in_use += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.in_use -= 1
