"""What belongs to one process: after a fork the child makes its own."""

import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Generic, TypeVar

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """A value that every process makes for itself when it first asks.

    What a child inherited is neither used nor closed there: a lock may be held by a thread that the child does
    not have, and a connection is its parent's (SQLite, "How To Corrupt An SQLite Database File", section 2.6).

    `make` must be cheap and touch nothing: two threads that ask first at the same moment both call it.
    """

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._values: dict[int, Value] = {}

    def get(self) -> Value:
        """The value of this process."""
        pid = os.getpid()
        value = self._values.get(pid)
        return self._values.setdefault(pid, self._make()) if value is None else value


class Pool(Generic[Value]):
    """Connections that are made when they are needed and used again, the latest returned one first."""

    def __init__(self, connect: Callable[[], Value], close: Callable[[Value], object]) -> None:
        self._connect = connect
        self._close = close
        self._idle: PerProcess[deque[Value]] = PerProcess(deque)

    def lend(self) -> AbstractContextManager[Value]:
        """A connection for this thread alone; on an error it is closed instead of used again."""
        return _Loan(self._idle.get(), self._connect, self._close)

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        idle = self._idle.get()
        with suppress(IndexError):
            while True:
                self._close(idle.pop())


class _Loan(AbstractContextManager[Value]):
    __slots__ = ("_close", "_connect", "_connection", "_idle")

    def __init__(self, idle: deque[Value], connect: Callable[[], Value], close: Callable[[Value], object]) -> None:
        self._idle = idle
        self._connect = connect
        self._close = close

    def __enter__(self) -> Value:
        try:
            self._connection = self._idle.pop()
        except IndexError:
            self._connection = self._connect()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, _: object, __: object) -> None:
        if kind is None:
            self._idle.append(self._connection)
        else:
            self._close(self._connection)
