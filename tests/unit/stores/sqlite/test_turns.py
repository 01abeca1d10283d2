"""Threads take turns at one connection, and processes at the file: nobody waits long."""

import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.stores import StoreLostError
from app.stores.sqlite import SqliteStore
from app.stores.sqlite.statements import CLAIM, HIT
from app.stores.sqlite.turns import Turns
from tests.unit.stores.databases import held

LONG = 2.0


class Wrapped:
    """A connection as tracers of SQL hand it out: it does what the connection does, and is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class NamelessError(Exception):
    """What is left of an error where there is no memory for its name."""

    @property
    def sqlite_errorname(self) -> str:
        raise MemoryError


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_held_file_is_a_lost_store(store: SqliteStore, path: Path, how: str) -> None:
    """A hit does not wait long for another process, and is decided again when that is gone."""
    store.hit("a", 30, 60)
    with held(path, how):
        began = time.monotonic()
        with pytest.raises(StoreLostError, match=r"^SQLITE_BUSY$"):
            store.hit("a", 30, 60)
        assert time.monotonic() - began < LONG
        with pytest.raises(StoreLostError, match=r"^SQLITE_BUSY$"):
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


@pytest.mark.parametrize("statement", [HIT, CLAIM], ids=["hit", "claim"])
def test_a_decision_holds_no_lock_when_its_thread_goes_on(store: SqliteStore, path: Path, statement: str) -> None:
    """Others can write before the interpreter gives the thread its turn: nothing is left to fetch."""
    record = dict.fromkeys(("key", "fingerprint", "owner"), "a") | dict.fromkeys(("window", "lease", "kept"), 1000)
    with store._connections.lend() as connection, closing(sqlite3.connect(path, timeout=0)) as other:
        cursor = connection.execute(statement, {**record, "length": 480, "again": False})
        other.execute("INSERT INTO windows VALUES ('other', 0, 1, '')")
        other.commit()
        assert cursor.fetchall() == []


def test_nobody_waits_for_the_disk(store: SqliteStore) -> None:
    """It writes ahead (WAL), syncs at checkpoints only (synchronous = NORMAL), and makes none after a commit."""
    names = ("synchronous", "journal_mode", "wal_autocheckpoint")
    with store._connections.lend() as connection:
        modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert modes == [1, "wal", 0]


def test_connections_are_few(store: SqliteStore, path: Path) -> None:
    """Threads of a process take turns at one connection, so that they cannot be in each other's way."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: store.hit(f"user:{number}", 30, 60), range(400)))
    opened = [link.resolve() for link in Path("/proc/self/fd").iterdir() if link.exists()]

    assert opened.count(path) == 1


def test_nobody_waits_for_their_turn_for_ever(store: SqliteStore) -> None:
    """A thread that does not come back is a lost store for the others, until it does."""
    with store._turns.get(), pytest.raises(StoreLostError, match=r"^TimeoutError$"):
        store.hit("a", 30, 60)

    assert store.hit("a", 30, 60).remaining == 29


def test_a_turn_ends_whatever_becomes_of_it() -> None:
    """Even if it fails a second time as its error is looked at: the others would wait in vain from then on."""
    turns = Turns()
    with pytest.raises(MemoryError), turns:
        raise NamelessError
    with turns:
        pass


def test_a_held_file_is_waited_for_once(store: SqliteStore, path: Path) -> None:
    """Threads that come while one waits for it are told as soon as that one is, and none waits for its own."""
    store.hit("a", 30, 60)

    def hit(_: int) -> str:
        with pytest.raises(StoreLostError) as lost:
            store.hit("a", 30, 60)
        return str(lost.value)

    with held(path, "EXCLUSIVE"), ThreadPoolExecutor(8) as threads:
        reasons = Counter(threads.map(hit, range(8)))

    # A thread that was begun late may have been a second one to wait; each by itself would have made five.
    assert (reasons.total(), reasons["SQLITE_BUSY"] in {1, 2}) == (8, True)
    assert store.hit("a", 30, 60).remaining == 28


def test_only_a_wait_for_the_file_is_everybodys(store: SqliteStore) -> None:
    """What goes wrong with one decision for another reason is the trouble of that one alone."""
    done: list[str] = []

    def hit(key: str) -> None:
        try:
            store.hit(key, 30, 60)
            done.append(key)
        except UnicodeEncodeError:
            done.append("unreadable")

    threads = [threading.Thread(target=hit, args=(key,)) for key in ("\ud800", "a", "b", "\ud800", "c")]
    with store._turns.get():
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == ["a", "b", "c", "unreadable", "unreadable"]


def test_a_traced_connection_is_a_connection(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trouble on it is a lost store as ever, and it can be closed."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: Wrapped(connect(*args, **named)))
    store.hit("a", 30, 60)
    monkeypatch.undo()
    with held(path, "EXCLUSIVE"), pytest.raises(StoreLostError, match=r"^SQLITE_BUSY$"):
        store.hit("a", 30, 60)
    store.close()
