"""A log that hits make long, what looks after it, and another process that does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.stores.sqlite import SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from tests.unit.stores.databases import holding

# What a hit adds to it, at least: a page, and what is before a page there.
PAGE = 4096 + 24
CHECKPOINTING = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 121)
print("held", flush=True)
sys.stdin.readline()
"""
HITS = 3 * LOG_BYTES // PAGE


@contextmanager
def checkpointing(path: Path) -> Iterator[None]:
    """Another process has the lock of those that write the log down (SQLite, "WAL-mode File Format", 2.3.1)."""
    with holding(CHECKPOINTING, f"{path}-shm"):
        yield


def make_long(store: SqliteStore) -> None:
    """Enough for it to be begun anew more than once, and that has been done or given up."""
    hit_often(store)
    store._log.close()


def hit_often(store: SqliteStore) -> None:
    for number in range(HITS):
        assert store.hit(f"user:{number}", 30, 60).admitted


def look_after(store: SqliteStore) -> None:
    """What a hit begins once in a while has been done, and nobody wrote meanwhile."""
    store._log.keep_short()
    store._log.close()


def log_of(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size
