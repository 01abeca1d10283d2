"""The log that SQLite writes ahead (WAL): it stays short, and to keep it so stops nobody."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from app.stores.sqlite import BUSY_SECONDS, LOG_BYTES, SWEEP_EVERY, SqliteStore

# What a hit adds to it, at least: a page, and what is before a page there.
PAGE = 4096 + 24
HITS = 3 * LOG_BYTES // PAGE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(str(path))
    yield opened
    opened.close()


def log_of(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def test_it_is_begun_anew_while_everybody_writes(store: SqliteStore, path: Path) -> None:
    """There need be no moment without a writer: SQLite alone lets the log grow as long as there is none."""
    numbers = count()

    def hit(_: int) -> int:
        assert store.hit(f"user:{next(numbers)}", 30, 60).admitted
        return log_of(path)

    with ThreadPoolExecutor(8) as threads:
        longest = max(threads.map(hit, range(HITS)))

    assert LOG_BYTES < longest < 2 * LOG_BYTES


def test_a_reader_is_not_waited_for(store: SqliteStore, path: Path) -> None:
    """Somebody who reads the file for long makes the log grow, no hit fails for it, and it is short afterwards."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchall()
        with ThreadPoolExecutor(2) as threads:
            decisions = threads.map(lambda number: store.hit(f"user:{number}", 30, 60), range(HITS))
            assert all(decision.admitted for decision in decisions)
        assert log_of(path) > 2 * LOG_BYTES
        reader.execute("COMMIT")
    for _ in range(SWEEP_EVERY * 8):
        store.hit("a", 30, 60)

    assert log_of(path) < LOG_BYTES


def test_a_connection_is_as_patient_as_before(store: SqliteStore, path: Path) -> None:
    """Who has begun the log anew waits for other processes again."""
    for number in range(HITS):
        store.hit(f"user:{number}", 30, 60)
    with store._connections.lend() as connection:
        patience = connection.execute("PRAGMA busy_timeout").fetchone()[0]

    assert (log_of(path) < LOG_BYTES * 2, patience) == (True, BUSY_SECONDS * 1000)
