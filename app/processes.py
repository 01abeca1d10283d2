"""Values that belong to one process: a forked child makes its own."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """A value that each process makes for itself on first use.

    A child neither uses nor closes what it inherited: a lock may be held by a thread that the child does not
    have, and a connection is its parent's (SQLite, "How To Corrupt An SQLite Database File", section 2.6).

    `make` must be cheap and without side effects: two threads whose first calls coincide both call it.
    """

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._values: dict[int, Value] = {}

    def get(self) -> Value:
        """Return the value of this process."""
        pid = os.getpid()
        value = self._values.get(pid)
        return self._values.setdefault(pid, self._make()) if value is None else value
