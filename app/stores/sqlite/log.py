"""The write-ahead log (WAL), truncated before it grows long."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from app.processes import PerProcess
from app.stores.sqlite.files import beside
from app.stores.sqlite.turns import BUSY_SECONDS, name_of

logger = logging.getLogger(__name__)

# The first process to find the WAL above this size truncates it.
LOG_BYTES = 4_194_304
# Truncating blocks writers until the disk has what was written during the last checkpoint, so it follows only a
# checkpoint that was quick or left nothing over. On a slow disk the WAL may grow.
_QUICK_SECONDS = BUSY_SECONDS / 2
_ROUNDS = 3


class _State:
    """The state of one process; `trouble` is the reason logged last, empty while there is none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.trouble = ""
        self.file: int | None = None

    def descriptor(self, path: Path) -> int:
        """Return one of the file, which stays open: closing it drops all locks of the process on it (POSIX).

        That of a file that was replaced is closed: locks on it protect nothing any more, and its space is freed.
        """
        if self.file is not None and not os.path.samestat(os.fstat(self.file), path.stat()):
            os.close(self.file)
            self.file = None
        if self.file is None:
            self.file = os.open(path, os.O_RDONLY)
        return self.file


class Log:
    """The WAL of the store at `path`. SQLite itself restarts it only once nobody writes for a while."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._state = PerProcess(_State)

    def keep_short(self) -> None:
        """Start truncating the WAL if it is too long, in a thread of its own: no caller does it itself.

        A failure is logged, once until it is another one or over. The store is not lost for it: the WAL can still
        be written.
        """
        state = self._state.get()
        # If it cannot be looked at, or no thread can be started right now, a later call tries again.
        with state.lock, suppress(OSError, RuntimeError):
            # After a failure also if another process truncated it: only an attempt shows that this one can again.
            is_due = state.trouble or self._is_long()
            if is_due and not (state.thread and state.thread.is_alive()):
                thread = threading.Thread(target=self._try, args=(state,), name="store-log", daemon=True)
                thread.start()
                state.thread = thread

    def close(self) -> None:
        """Wait for the attempt in progress."""
        thread = self._state.get().thread
        if thread:
            thread.join()

    def _is_long(self) -> bool:
        # Before the first connection and after the last there is none.
        try:
            return Path(beside(self._path, "-wal")).stat().st_size > LOG_BYTES
        except FileNotFoundError:
            return False

    def _try(self, state: _State) -> None:
        try:
            with closing(self._connect()) as connection:
                self._shorten(connection, state)
            trouble = state.trouble if self._is_long() else ""
        except Exception as error:  # noqa: BLE001 - threading's own report of it would show its message
            trouble = name_of(error)
        if trouble != state.trouble:
            logger.warning(f"store log not shortened: {trouble}; it grows" if trouble else "store log short again")
        state.trouble = trouble

    def _shorten(self, connection: sqlite3.Connection, state: _State) -> None:
        # Most of it goes to the disk while others write; while that is slow and leaves something over, once more.
        file = state.descriptor(self._path)
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
    # Wait neither for another process that does the same nor for one with a long read: the next process that finds
    # the WAL too long tries again.
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
