"""The log that SQLite writes ahead (WAL): it stays short, and to keep it so stops nobody."""

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import pytest

from app.stores.sqlite import SWEEP_EVERY, SWEEP_ROWS, SqliteStore
from app.stores.sqlite.log import LOG_BYTES, Log
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


class FullError(sqlite3.OperationalError):
    """As SQLite has it of a full disk."""

    sqlite_errorname = "SQLITE_FULL"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "Input/output error"), "OSError"),
        (FullError("database or disk is full"), "SQLITE_FULL"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_what_keeps_it_long_is_told_and_costs_no_hit(
    store: SqliteStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    reason: str,
) -> None:
    """A log that does not get to the file can still be written, so the store is not lost: one line tells."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=error))
        make_long(store)
        look_after(store)
    told = f"store log not shortened: {reason}; it grows"
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


@pytest.mark.parametrize(("seconds", "rounds"), [(BUSY_SECONDS, 2), (0.0, 1)], ids=["slow", "quick"])
def test_it_is_on_the_disk_before_anybody_has_to_wait(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int
) -> None:
    """To begin it anew keeps all from writing: what came while the disk took long goes there first, no more."""
    synced: list[int] = []
    now, hits_ended = [0.0], threading.Event()
    store.hit("a", 30, 60)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchall()

        def sync(file: int) -> None:
            synced.append(os.fstat(file).st_ino)
            if reader.in_transaction:
                # Until now not all of the log could be written down.
                reader.execute("COMMIT")
                now[0] += seconds
                hits_ended.wait(30)

        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        monkeypatch.setattr(os, "fdatasync", sync)
        for number in takewhile(lambda _: not synced, range(HITS)):
            store.hit(f"user:{number}", 30, 60)
        hits_ended.set()
        store._log.close()

    assert synced == [path.stat().st_ino] * rounds
    assert log_of(path) < LOG_BYTES / 2


def test_a_slow_disk_does_not_keep_it_long(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing came meanwhile there is nothing left that anybody would have to wait for."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=OSError))
        make_long(store)
    now = count(step=BUSY_SECONDS)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    look_after(store)

    assert log_of(path) < LOG_BYTES


def test_who_begins_it_anew_waits_for_no_reader(store: SqliteStore, path: Path) -> None:
    """Nobody could write while it waits, however patient its connection is."""
    hit_often(store)
    store._log.close()
    log = Log(path, lambda: sqlite3.connect(path, timeout=600, isolation_level=None, check_same_thread=False))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader, ThreadPoolExecutor(1) as waiting:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM windows").fetchall()
        for number in takewhile(lambda _: log_of(path) <= LOG_BYTES, count()):
            store.hit(f"user:{number}", 30, 60)
        log.keep_short()
        try:
            waiting.submit(log.close).result(30)
        finally:
            reader.execute("COMMIT")


def test_two_that_find_it_long_at_once_start_one_thread(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits until the first one's is there."""
    begun: list[str] = []
    seconds: list[threading.Thread] = []
    start = threading.Thread.start

    def starting(thread: threading.Thread) -> None:
        begun.append(thread.name)
        if not seconds:
            seconds.append(threading.Thread(target=store._log.keep_short))
            start(seconds[0])
            seconds[0].join(BUSY_SECONDS)
            assert begun == ["store-log"]
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", Mock(side_effect=OSError))
        make_long(store)
    monkeypatch.setattr(threading.Thread, "start", starting)
    store._log.keep_short()
    seconds[0].join()


ENDS = """
import os, sys, threading
from app.stores.sqlite import SqliteStore

entered = threading.Event()
os.fdatasync = lambda _: entered.set() or threading.Event().wait()
store = SqliteStore(sys.argv[1])
number = 0
while not entered.is_set():
    store.hit(f"user:{number}", 30, 60)
    number += 1
"""


def test_a_process_that_ends_does_not_wait_for_the_disk(path: Path) -> None:
    """A worker that stops has answered its requests: a disk that hangs keeps it no longer."""
    assert subprocess.run([sys.executable, "-c", ENDS, str(path)], timeout=60, check=False).returncode == 0
