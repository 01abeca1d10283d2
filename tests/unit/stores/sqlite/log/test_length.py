"""The log that SQLite writes ahead (WAL) stays short, whoever writes or reads meanwhile."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.stores import StoreLostError
from app.stores.sqlite import SWEEP_EVERY, SWEEP_ROWS, SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from tests.unit.stores.sqlite.log.logs import HITS, PAGE, checkpointing, log_of, look_after, make_long


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


def test_it_stays_short_beside_what_a_link_leads_to(store: SqliteStore, path: Path) -> None:
    """SQLite keeps it there."""
    real = path.with_name("real.sqlite3")
    real.touch(mode=0o600)
    path.symlink_to(real)
    make_long(store)
    look_after(store)

    assert log_of(real) < LOG_BYTES


def test_a_file_that_was_replaced_is_let_go(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no more space, and the one that is there is on the disk before it is written to."""
    make_long(store)
    for file in path.parent.iterdir():
        file.unlink()
    with pytest.raises(StoreLostError):
        store.claim("a", "fingerprint", "owner", lease=60, again=False)
    synced: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
        make_long(store)

    assert set(synced) == {path.stat().st_ino}
    assert [link for link in open_files() if link.startswith(f"{path} ")] == []


def open_files() -> Iterator[str]:
    """What this process has open; of what was deleted, the former path and a word on that."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            yield f"{descriptor.readlink()}"
