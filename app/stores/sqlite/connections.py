"""Connections to one SQLite file, used again and again."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.stores import StoreLostError
from app.stores.processes import PerProcess
from app.stores.sqlite.files import FileConnection, create_file, identity, open_file

_WORDS = {
    sqlite3.SQLITE_BUSY: "held by another process",
    sqlite3.SQLITE_LOCKED: "held by another process",
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_IOERR: "disk error",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection only held the file for too long."""
    return _primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _primary_code(error: sqlite3.Error) -> int:
    # The low byte of an extended result code is the primary one; errors of the module itself carry none.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


class Connections:
    """Connections to `path` that are made when they are needed and used again, the latest returned one first.

    A statement holds one for some 20 microseconds, so a process seldom has more than two or three. In WAL mode
    `synchronous` NORMAL survives the death of any process, and FULL a power cut as well.
    """

    def __init__(self, path: str, *, synchronous: str) -> None:
        self._path = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would look at the disk
        self._synchronous = synchronous
        self._idle: PerProcess[deque[FileConnection]] = PerProcess(deque)

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode; on an error it is closed instead of used again.

        Raises StoreLostError for every error of SQLite or of the disk, also for those of the block.
        """
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._idle.get().append(connection)
        except sqlite3.Error as error:
            raise StoreLostError(_WORDS.get(_primary_code(error), "refused")) from error
        except OSError as error:
            raise StoreLostError("cannot be opened") from error

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        idle = self._idle.get()
        while connection := _pop(idle):
            connection.close()

    def _take(self) -> FileConnection:
        # SQLite goes on writing to a deleted file, each process to its own; so the name is looked up each time.
        file = identity(self._path)
        idle = self._idle.get()
        while connection := _pop(idle):
            if connection.file == file:
                return connection
            connection.close()
        if file is None:
            create_file(Path(self._path))
        return self._connect()

    def _connect(self) -> FileConnection:
        file = identity(self._path)
        connection = open_file(self._path)
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.file = file
        return connection


def _pop(idle: deque[FileConnection]) -> FileConnection | None:
    try:
        return idle.pop()
    except IndexError:
        return None
