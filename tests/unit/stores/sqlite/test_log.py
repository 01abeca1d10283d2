"""The log that SQLite writes ahead (WAL): it stays short, and to keep it so stops nobody."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import pytest

from app.stores.sqlite import SWEEP_EVERY, SWEEP_ROWS, SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from app.stores.sqlite.turns import BUSY_SECONDS
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


@pytest.fixture
def path() -> Iterator[Path]:
    """In memory where possible: where others keep the disk busy, a hit waits too long for its turn."""
    memory = "/dev/shm"  # noqa: S108 - the folder in it is this user's alone
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name) / "state.sqlite3"


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


def test_a_new_window_is_written_in_one_place(store: SqliteStore, path: Path) -> None:
    """Users who come once in a while are most of the work: of each, no second copy of the key is kept anywhere."""
    for number in range(2 * SWEEP_ROWS):
        store.hit(f"user:{number * 7919 % 1000}", 30, 60)

    assert log_of(path) / PAGE < 1.5 * (2 * SWEEP_ROWS)


def test_it_is_begun_anew_while_everybody_writes(store: SqliteStore, path: Path) -> None:
    """There need be no moment without a writer: SQLite alone lets the log grow as long as there is none."""
    # How far it grows meanwhile is the disk's; these write thirty times as much.
    users, anew = iter(range(10 * HITS)), threading.Event()

    def write(_: int) -> int:
        longest = 0
        for user in users:
            assert store.hit(f"user:{user}", 30, 60).admitted
            length = log_of(path)
            if length < longest:
                anew.set()
            if anew.is_set():
                break
            longest = length
        return longest

    with ThreadPoolExecutor(8) as threads:
        longest = max(threads.map(write, range(8)))

    assert (anew.is_set(), longest > LOG_BYTES) == (True, True)


def test_a_reader_is_not_waited_for(store: SqliteStore, path: Path) -> None:
    """Somebody who reads the file for long makes the log grow, no hit fails for it, and it is short afterwards."""
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchall()
        with ThreadPoolExecutor(2) as threads:
            decisions = threads.map(lambda number: store.hit(f"user:{number}", 30, 60), range(HITS))
            assert all(decision.admitted for decision in decisions)
        store._log.close()
        assert log_of(path) > 2 * LOG_BYTES
        reader.execute("COMMIT")
    look_after(store)

    assert log_of(path) < LOG_BYTES


def test_another_process_that_does_it_is_not_waited_for(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it writes the log down no hit fails, and the log is left to it, with the syncing."""
    synced: list[int] = []
    store.hit("a", 30, 60)
    with checkpointing(path), monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", synced.append)
        make_long(store)
        assert (log_of(path) > 2 * LOG_BYTES, synced) == (True, [])
    look_after(store)

    assert log_of(path) < LOG_BYTES


def test_a_store_that_was_closed_has_none(store: SqliteStore, path: Path) -> None:
    """Who finds that when it is time to look after it begins a new one, as with the first hit."""
    for _ in range(SWEEP_EVERY - 1):
        store.hit("a", SWEEP_EVERY, 60)
    store.close()
    assert not path.with_name(f"{path.name}-wal").exists()

    assert store.hit("a", SWEEP_EVERY, 60).remaining == 0


def test_nobody_waits_for_the_disk(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk takes its time hits go on: one thread waits for it, and whoever closes the store."""
    hits_ended = threading.Event()
    waited: dict[threading.Thread, bool] = {}

    def sync(_: int) -> None:
        in_time = hits_ended.wait(30)
        time.sleep(BUSY_SECONDS)
        # It comes back for what a hit was just writing.
        waited.setdefault(threading.current_thread(), in_time)

    monkeypatch.setattr(os, "fdatasync", sync)
    hit_often(store)
    hits_ended.set()
    store.close()

    assert list(waited.values()) == [True]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_what_keeps_it_long_is_told_and_costs_no_hit(
    store: SqliteStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """A log that does not get to the file can still be written, so the store is not lost: one line tells."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=error))
        make_long(store)
        look_after(store)
    told = f"store log not shortened: {type(error).__name__}; it grows"
    assert (log_of(path) > LOG_BYTES, [it.message for it in caplog.records]) == (True, [told])

    look_after(store)
    assert log_of(path) < LOG_BYTES
    assert [it.message for it in caplog.records] == [told, "store log short again"]


def test_what_another_process_ended_is_told_as_over(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once this one can write the log down, too, and not when the log is long again, which may take a day."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=OSError))
        make_long(store)
        with closing(SqliteStore(str(path))) as other, patched.context() as theirs:
            theirs.setattr(os, "fdatasync", Mock())
            look_after(other)
        assert log_of(path) < LOG_BYTES
        look_after(store)
    told = "store log not shortened: OSError; it grows"
    assert [it.message for it in caplog.records] == [told]

    look_after(store)
    look_after(store)
    assert [it.message for it in caplog.records] == [told, "store log short again"]


def test_one_that_cannot_be_looked_at_costs_no_hit(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left for later: whether the store can be used hits find out by themselves."""
    store.hit("a", 30, 60)
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", Mock(side_effect=PermissionError))
        hit_often(store)
    look_after(store)

    assert log_of(path) < LOG_BYTES


def test_what_is_not_over_is_not_told_as_over(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While another process has the lock nothing fails, and nothing is shortened either."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=OSError))
        make_long(store)
    with checkpointing(path):
        look_after(store)

    assert [it.message for it in caplog.records] == ["store log not shortened: OSError; it grows"]


def test_it_needs_no_thread_at_once(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started hits go on, and it is begun anew once one can."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        hit_often(store)
        assert log_of(path) > 2 * LOG_BYTES
    look_after(store)

    assert log_of(path) < LOG_BYTES


def test_it_is_on_the_disk_before_anybody_has_to_wait(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To begin it anew keeps everybody from writing, so what came while the disk took long goes there before."""
    synced: list[int] = []
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchall()

        def sync(file: int) -> None:
            synced.append(os.fstat(file).st_ino)
            if reader.in_transaction:
                # Until now not all of the log could be written down.
                reader.execute("COMMIT")
                time.sleep(BUSY_SECONDS)

        monkeypatch.setattr(os, "fdatasync", sync)
        for number in takewhile(lambda _: not synced, range(HITS)):
            store.hit(f"user:{number}", 30, 60)
        store._log.close()

    assert synced == [path.stat().st_ino] * 2
    assert log_of(path) < LOG_BYTES / 2
