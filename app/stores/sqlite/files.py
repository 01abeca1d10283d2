"""One SQLite file: how it is made, opened, and told from another one of the same name."""

import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from app.stores.sqlite.statements import SCHEMA

BUSY_SECONDS = 0.2


class FileConnection(sqlite3.Connection):
    """A connection that knows which file it has open."""

    file: tuple[int, int] | None = None


def identity(path: str) -> tuple[int, int] | None:
    """Which file has this name now, or None if there is none; raises OSError."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked with every hit, and Path.stat costs as much again
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def open_file(path: str) -> FileConnection:
    """A connection in autocommit mode to a file that exists, of the current schema; raises sqlite3.Error."""
    connection = sqlite3.connect(
        # SQLite itself would make a missing file readable to everybody.
        f"file:{quote(path)}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=FileConnection,
    )
    try:
        if _version(connection) < len(SCHEMA):
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for version, step in enumerate(SCHEMA[_version(connection) :], start=_version(connection) + 1):
        connection.execute(step)
        connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")


def create_file(path: Path) -> None:
    """Make the file, readable to its owner alone, and the missing folders above it.

    The file gets its name when it is finished, so nobody ever waits for a half made one; and no descriptor of
    it is closed beside SQLite's, which would drop the locks of this process (POSIX advisory locks). SQLite
    gives `-wal` and `-shm` the mode of the file. Raises sqlite3.Error or OSError.
    """
    _create_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    os.close(descriptor)
    unfinished = Path(name)
    try:
        with closing(open_file(name)):
            pass
        with _alone_in(path.parent):
            _give_name(unfinished, path)
    finally:
        unfinished.unlink()


def _give_name(unfinished: Path, path: Path) -> None:
    if path.exists():
        return
    # A log left behind by a file that was deleted alone would be replayed into this one.
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    path.hardlink_to(unfinished)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process makes a file in `folder` meanwhile; raises OSError rather than wait long."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, time.monotonic() + BUSY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.001)
        else:
            return


def _create_folder(path: Path) -> None:
    # Path.mkdir(parents=True) gives its mode to the last folder alone.
    if not path.exists():
        _create_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
