"""The log of what is written (WAL): begun anew before it is long."""

import os
import sqlite3
import threading
import time
from pathlib import Path

from app.processes import PerProcess
from app.stores.sqlite.turns import BUSY_SECONDS

# Whoever finds the log longer than this truncates it.
LOG_BYTES = 8_388_608
# Truncating blocks writers until the disk has what came during the last checkpoint, so it follows only a quick
# one. On a slow disk the log may grow.
_QUICK_SECONDS = BUSY_SECONDS / 2
_ROUNDS = 3
_SET_BUSY_TIMEOUT = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"


class Log:
    """That of the store at `path`. By itself SQLite begins it anew only once nobody writes for a while."""

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        # Two threads that ask first at once would open the file twice.
        self._opening = PerProcess(threading.Lock)
        # One a process, never closed: to close a descriptor is to drop all locks that it has on the file (POSIX).
        self._file = PerProcess(lambda: os.open(path, os.O_RDONLY))

    def is_long(self) -> bool:
        """Whether it should be begun anew. Before the first connection and after the last there is none."""
        try:
            return self._log.stat().st_size > LOG_BYTES
        except FileNotFoundError:
            return False

    def shorten(self, connection: sqlite3.Connection) -> None:
        """Move what is in it to where it belongs, on the disk, and begin it anew if that is quick by then.

        Most of it goes to the disk while others write, and what came meanwhile where that took long. For the rest
        nobody in the way is waited for, be it another process that does the same or somebody who reads for long:
        the next one who looks tries again. Raises sqlite3.Error and OSError.
        """
        with self._opening.get():
            file = self._file.get()
        for _ in range(_ROUNDS):
            began = time.monotonic()
            ((busy, logged, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if busy:
                # Another process is at it.
                return
            # SQLite syncs only at the end of a whole checkpoint, and writers would wait for all of it: sync now.
            getattr(os, "fdatasync", os.fsync)(file)
            # After a quick one the log is truncated at once. It is not checkpointed again while nothing was left
            # over: before 3.51.3 that may damage the file (https://sqlite.org/wal.html#walresetbug).
            if logged == moved or time.monotonic() - began < _QUICK_SECONDS:
                _begin_anew(connection)
                return


def _begin_anew(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(_SET_BUSY_TIMEOUT)
