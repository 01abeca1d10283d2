"""Store connections, shared by the threads of one process."""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Generic, TypeVar

from app.processes import PerProcess

Value = TypeVar("Value")


class Pool(Generic[Value]):
    """Connections that are made on demand and reused, most recently returned first."""

    def __init__(self, connect: Callable[[], Value], close: Callable[[Value], object]) -> None:
        self._connect = connect
        self._close = close
        self._idle: PerProcess[deque[Value]] = PerProcess(deque)

    def lend(self) -> AbstractContextManager[Value]:
        """Lend a connection to this thread alone; on an error it is closed instead of reused."""
        return _Loan(self._idle.get(), self._connect, self._close)

    def close(self) -> None:
        """Close the idle connections."""
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
