"""Access to the SQLite file by one thread of a process at a time, and its errors as StoreLostError."""

import sqlite3
import threading
from contextlib import AbstractContextManager

from app.stores import StoreLostError

# How long a process waits for other processes.
BUSY_SECONDS = 0.2
# How long a thread waits for others of its process, which have to wait for the interpreter lock as well.
TURN_SECONDS = 1.0


class Turns(AbstractContextManager[None]):
    """A lock that admits one thread of a process at a time; raises TimeoutError.

    Connections that contend in SQLite sleep and retry: under load, about one call in ten thousand fails.
    A thread that waits here also finds the pages it needs cached in the connection of the one before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0

    def __enter__(self) -> None:
        before = self._failures
        if not self._lock.acquire(timeout=TURN_SECONDS):
            raise TimeoutError
        if self._failures != before:
            # A thread ahead gave up on the file: all that queued meanwhile give up with it, not one by one.
            self._lock.release()
            raise TimeoutError

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if error is not None and name_of(error).startswith("SQLITE_BUSY"):
                self._failures += 1
        finally:
            # Even without memory for the name: the store would be lost until the process ends.
            self._lock.release()


class _Losing(AbstractContextManager[None]):
    """Converts errors of SQLite, of the file and of `Turns` into StoreLostError."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreLostError(name_of(error)) from error


losing = _Losing()


def name_of(error: BaseException) -> str:
    """Return SQLite's own name for the error, such as SQLITE_BUSY or SQLITE_FULL, else its class's name."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
