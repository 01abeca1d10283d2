"""What ended is swept out of the file, a little with each of some hits."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.stores import StoreLostError
from app.stores.sqlite import SWEEP_EVERY as EVERY
from app.stores.sqlite import SWEEP_ROWS, SqliteStore
from tests.unit.stores.databases import rows


def test_windows_that_ended_are_swept(store: SqliteStore, path: Path) -> None:
    """Hits of whoever comes take ended windows away, so the file keeps to the live ones."""
    for number in range(EVERY * 4):
        store.hit(f"user:{number}", 30, 60)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE windows SET expires_at = 0 WHERE substr(key, -1) % 2 = 0")
    for _ in range(EVERY * 4):
        store.hit("user:1", 30, 60)

    assert rows(path) == EVERY * 2


def test_a_sweep_goes_on_where_it_was(store: SqliteStore, path: Path) -> None:
    """Windows that ended are found behind any number of live ones."""
    store.hit("a", 30, 60)
    live, ended = 2**62, 0
    with closing(sqlite3.connect(path)) as connection, connection:
        records = [(f"live {number}", live) for number in range(SWEEP_ROWS * 2)] + [("past them", ended)]
        connection.executemany("INSERT INTO windows VALUES (?, ?, 1, '')", records)
    for _ in range(EVERY * 4):
        store.hit("a", 30, 60)

    assert rows(path) == SWEEP_ROWS * 2 + 1


def test_trouble_of_a_sweep_is_trouble_of_its_hit(store: SqliteStore, path: Path) -> None:
    """It comes before the decision, so nothing was counted."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER broken BEFORE DELETE ON windows BEGIN SELECT RAISE(FAIL, 'no'); END")
        connection.execute("INSERT INTO windows VALUES ('ended', 0, 1, '')")
        connection.commit()
    decisions = [store.hit("a", 30, 60) for _ in range(EVERY - 2)]

    assert decisions[-1].limit == 30
    with pytest.raises(StoreLostError, match=r"^SQLITE_CONSTRAINT_TRIGGER$"):
        store.hit("b", 30, 60)
    assert store.hit("b", 30, 60).remaining == 29


def test_keys_that_ended_are_swept(store: SqliteStore, path: Path) -> None:
    """Also behind any number of those that are kept for their day."""
    store.claim("kept", "f", "o", lease=30, again=False)
    with closing(sqlite3.connect(path)) as connection, connection:
        records = [(f"{number}", (number < SWEEP_ROWS * 2) * 2**62) for number in range(SWEEP_ROWS * 3)]
        connection.executemany("INSERT INTO keys VALUES (?, ?, '', '', 'sent', 0, NULL)", records)
    for _ in range(EVERY * 5):
        store.hit("a", 30, 60)
    with closing(sqlite3.connect(path)) as connection:
        left = connection.execute("SELECT count(*) FROM keys").fetchone()[0]

    assert left == SWEEP_ROWS * 2 + 1
