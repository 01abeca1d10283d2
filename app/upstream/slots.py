"""A bound on how many requests wait at once."""

from collections import deque
from contextlib import AbstractContextManager

from app.errors import OverloadedError


class Slots(AbstractContextManager[None]):
    """A fixed number of slots, taken without waiting: `with slots:` raises OverloadedError if none is free.

    There are fewer slots than threads, so that a hanging service cannot block requests that need none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = deque(range(count))

    @property
    def in_use(self) -> int:
        """The number of slots that are taken now."""
        return self.count - len(self._free)

    def __enter__(self) -> None:
        try:
            self._free.pop()
        except IndexError:
            raise OverloadedError from None

    def __exit__(self, _: object, __: object, ___: object) -> None:
        # One call that needs no memory: a slot that is not given back is lost until the process ends.
        self._free.append(0)
