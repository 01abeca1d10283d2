"""One thread of a process at a time at the SQLite file; its errors become StoreLostError."""

import sqlite3
import threading
from contextlib import AbstractContextManager

from app.stores import StoreLostError

# How long a process waits for others.
BUSY_SECONDS = 0.2
# How long a thread waits for others of its process, which have to wait for the interpreter as well.
TURN_SECONDS = 1.0


class Turns(AbstractContextManager[None]):
    """One thread of a process at a time; raises TimeoutError.

    Connections that find each other in the way sleep and try again: under load one of some ten thousand tries in
    vain. Who waits here also finds, in the connection of the one before, the pages that it needs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0

    def __enter__(self) -> None:
        before = self._failures
        if not self._lock.acquire(timeout=TURN_SECONDS):
            raise TimeoutError
        if self._failures != before:
            # The thread before us gave up on the file: all that queued meanwhile give up with it, not one by one.
            self._lock.release()
            raise TimeoutError

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if _name(error).startswith("SQLITE_BUSY"):
            self._failures += 1
        self._lock.release()


class _Told(AbstractContextManager[None]):
    """Turns errors of SQLite, and of opening the file, into StoreLostError."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreLostError(_name(error)) from error


losing = _Told()


def _name(error: BaseException | None) -> str:
    """SQLite's own names, such as SQLITE_BUSY and SQLITE_FULL, say it best."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
