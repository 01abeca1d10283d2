"""What only a shared file promises: when it is held, full, or has much to forget."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.stores import StoreLostError
from app.stores.sqlite import SqliteStore
from app.stores.sqlite.sweeping import EVERY
from tests.unit.stores.databases import held, rows

LONG = 2.0

FULL = """
import resource, sys
from app.stores import StoreLostError
from app.stores.sqlite import SqliteStore
store = SqliteStore(sys.argv[1])
store.hit("first", 30, 60)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
admitted = 0
try:
    while True:
        admitted += store.hit(f"user:{admitted}", 30, 60).admitted
except StoreLostError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.hit("first", 30, 60).remaining)
store.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "limits" / "state.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(str(path))
    yield opened
    opened.close()


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_held_file_is_a_lost_store(store: SqliteStore, path: Path, how: str) -> None:
    """A hit does not wait long for another process, and is decided again when that is gone."""
    store.hit("a", 30, 60)
    with held(path, how):
        began = time.monotonic()
        with pytest.raises(StoreLostError, match=r"^held by another process$"):
            store.hit("a", 30, 60)
        assert time.monotonic() - began < LONG
        with pytest.raises(StoreLostError, match=r"^held by another process$"):
            store.probe()

    assert store.hit("a", 30, 60).remaining == 28


def test_a_stamp_is_taken_under_the_lock(store: SqliteStore, path: Path) -> None:
    """A hit that had to wait is stamped when it got its turn, so stamps never run backwards."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=store.hit, args=("a", 30, 60))
        waiting.start()
        waiting.join(0.05)
        released = time.time_ns() // 1_000_000
        other.execute("COMMIT")
        waiting.join()
        newest = other.execute("SELECT substr(stamps, -16, 13) FROM windows WHERE key = 'a'").fetchone()[0]

    assert int(newest) >= released


def test_a_full_disk_is_a_lost_store(path: Path) -> None:
    """Nothing is admitted that could not be written, and the store works again when there is room."""
    command = [sys.executable, "-c", FULL, str(path), str(256 * 1024)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines() == ["disk error", "28"]


def test_windows_that_ended_are_swept(store: SqliteStore, path: Path) -> None:
    """Hits of whoever comes take ended windows away, so the file keeps to the live ones."""
    for number in range(EVERY * 4):
        store.hit(f"user:{number}", 30, 60)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE windows SET expires_at = 0 WHERE rowid % 2")
    for _ in range(EVERY * 4):
        store.hit("user:1", 30, 60)

    assert rows(path) == EVERY * 2


def test_trouble_of_a_sweep_is_told_by_the_next_hit(store: SqliteStore, path: Path) -> None:
    """A hit that is decided stays decided; what the sweep met is not lost for that."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER broken BEFORE DELETE ON windows BEGIN SELECT RAISE(FAIL, 'no'); END")
        connection.execute("INSERT INTO windows VALUES ('ended', 0, 1, '')")
        connection.commit()
    decisions = [store.hit("a", 30, 60) for _ in range(EVERY - 1)]

    assert len(decisions) == EVERY - 1
    with pytest.raises(StoreLostError, match=r"^refused$"):
        store.hit("a", 30, 60)
    assert store.hit("a", 30, 60).limit == 30


def test_a_sweep_does_not_wait_for_a_held_file(store: SqliteStore, path: Path) -> None:
    """Where another process writes at that moment, sweeping is left for later and is no trouble."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO windows VALUES ('ended', 0, 1, '')")
        connection.execute("BEGIN IMMEDIATE")
        store._sweep_on()

    assert store.hit("a", 30, 60).remaining == 28
    assert rows(path) == 2


def test_connections_are_few(store: SqliteStore, path: Path) -> None:
    """Hits one after the other share one connection."""
    for _ in range(10):
        store.hit("a", 30, 60)
    opened = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.exists()]

    assert opened.count(path) == 1
