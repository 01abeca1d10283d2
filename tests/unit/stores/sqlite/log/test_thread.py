"""The thread that writes the log down and begins it anew: one, for which nobody waits."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, takewhile
from pathlib import Path
from unittest.mock import Mock

import pytest

from app.stores.sqlite import SqliteStore
from app.stores.sqlite.log import LOG_BYTES, Log
from app.stores.sqlite.turns import BUSY_SECONDS
from tests.unit.stores.sqlite.log.logs import HITS, hit_often, log_of, look_after, make_long


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
