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
        self._lock = threading.Lock()
        self._taken: set[object] = set()

    @property
    def in_use(self) -> int:
        """How many places are taken now."""
        return len(self._taken)

    def taken(self) -> AbstractContextManager[None]:
        """Around what needs a place; raises OverloadedError at once when all are taken."""
        return _Place(self)

    def take(self, place: object) -> None:
        """Take a place, known as this object from then on; raises OverloadedError."""
        with self._lock:
            if len(self._taken) >= self.count:
                raise OverloadedError
            self._taken.add(place)

    def leave(self, place: object) -> None:
        """Give the place back."""
        self._taken.discard(place)


class _Place(AbstractContextManager[None]):
    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    def __enter__(self) -> None:
        self._slots.take(self)

    def __exit__(self, *_: object) -> None:
        self._slots.leave(self)
