"""The write-ahead log (WAL), truncated before it grows long."""

import os
import sqlite3
import threading
import time
from pathlib import Path

from app.processes import PerProcess
from app.stores.sqlite.turns import BUSY_SECONDS

# The first process to find the WAL above this size truncates it.
LOG_BYTES = 8_388_608
# Truncating blocks writers until the disk has what was written during the last checkpoint, so it follows only a
# checkpoint that was quick or left nothing over. On a slow disk the WAL may grow.
_QUICK_SECONDS = BUSY_SECONDS / 2
_ROUNDS = 3
_SET_BUSY_TIMEOUT = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"


class Log:
    """The WAL of the store at `path`. SQLite itself restarts it only once nobody writes for a while."""

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        # Without it, two threads whose first calls coincide would open the file twice.
        self._opening = PerProcess(threading.Lock)
        # One per process, never closed: closing a descriptor drops all locks of the process on the file (POSIX).
        self._file = PerProcess(lambda: os.open(path, os.O_RDONLY))

    def is_long(self) -> bool:
        """Return whether the WAL is too long. Before the first connection and after the last there is none."""
        try:
            return self._log.stat().st_size > LOG_BYTES
        except FileNotFoundError:
            return False

    def shorten(self, connection: sqlite3.Connection) -> None:
        """Checkpoint the WAL to the disk and truncate it, unless that stays slow.

        Most of it goes to the disk while others write; if that is slow and leaves something over, it is repeated.
        Truncating waits neither for another process that does the same nor for one with a long read: the next
        process that finds the WAL too long tries again. Raises sqlite3.Error and OSError.
        """
        with self._opening.get():
            file = self._file.get()
        for _ in range(_ROUNDS):
            began = time.monotonic()
            ((busy, logged, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if busy:
                # Another process is checkpointing.
                return
            # SQLite syncs only after a complete checkpoint, and writers would wait for all of it: sync now.
            getattr(os, "fdatasync", os.fsync)(file)
            # Truncate after a quick checkpoint, or one that left nothing over: before SQLite 3.51.3 to checkpoint
            # again then may corrupt the file (https://sqlite.org/wal.html#walresetbug).
            if logged == moved or time.monotonic() - began < _QUICK_SECONDS:
                _begin_anew(connection)
                return


def _begin_anew(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(_SET_BUSY_TIMEOUT)
