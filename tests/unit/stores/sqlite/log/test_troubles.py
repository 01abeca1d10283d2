"""What keeps the log long is told, once until it is over, and costs no hit."""

import errno
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from app.stores.sqlite import SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from tests.unit.stores.sqlite.log.logs import checkpointing, hit_often, log_of, look_after, make_long


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
