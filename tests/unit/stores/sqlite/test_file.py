"""The file itself: who can read it, and what happens when somebody else touches it or its disk is full."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.stores import ClaimState, StoreLostError, UnreadableRecordError
from app.stores.sqlite import SqliteStore
from tests.unit.stores.databases import rows


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_constructing_touches_nothing(store: SqliteStore, path: Path) -> None:
    """No file, folder or connection is made before the first hit, so a store may be made before a fork."""
    store.close()

    assert list(path.parents[2].iterdir()) == []


def test_only_the_owner_can_read_the_file(store: SqliteStore, path: Path) -> None:
    """The file and what SQLite puts beside it are 0600, the folders made for them 0700, whatever the umask."""
    before = os.umask(0)
    try:
        store.hit("a", 30, 60)
    finally:
        os.umask(before)

    assert {name.name: oct(mode(name)) for name in path.parent.iterdir()} == {
        "state.sqlite3": "0o600",
        "state.sqlite3-wal": "0o600",
        "state.sqlite3-shm": "0o600",
    }
    assert [oct(mode(path.parent)), oct(mode(path.parent.parent))] == ["0o700", "0o700"]


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that changes its folder later goes on with the same file."""
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("state.sqlite3")
    monkeypatch.chdir("/")
    store.hit("a", 30, 60)
    store.close()

    assert (tmp_path / "state.sqlite3").exists()


def test_a_file_that_is_no_database_is_a_lost_store(store: SqliteStore, path: Path) -> None:
    """It is left as it is: an operator decides about it."""
    path.parent.mkdir(parents=True)
    path.write_text("not a database " * 100)

    with pytest.raises(StoreLostError, match=r"^SQLITE_NOTADB$"):
        store.hit("a", 30, 60)
    assert path.read_text().startswith("not a database")


def test_a_place_where_no_file_can_be_is_a_lost_store(tmp_path: Path) -> None:
    """An error of the system is a lost store like one of SQLite."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreLostError, match=r"^NotADirectoryError$"):
        SqliteStore(str(tmp_path / "file" / "state.sqlite3")).hit("a", 30, 60)


def test_a_file_that_was_deleted_is_made_again(store: SqliteStore, path: Path) -> None:
    """While nothing ran; what is in a log that was left behind does not come back."""
    store.hit("a", 30, 60)
    log = path.with_name(f"{path.name}-wal")
    left_behind = log.read_bytes()
    store.close()
    path.unlink()
    log.write_bytes(left_behind)

    assert store.hit("a", 30, 60).remaining == 29
    assert rows(path) == 1


def test_an_empty_file_is_taken_up(store: SqliteStore, path: Path) -> None:
    """A file that an operator made beforehand, with the mode it should have, gets its schema."""
    path.parent.mkdir(parents=True)
    path.touch(mode=0o640)

    assert store.hit("a", 30, 60).remaining == 29
    assert oct(mode(path)) == "0o640"


def test_the_file_of_another_release_is_used(store: SqliteStore, path: Path) -> None:
    """Releases only add tables and columns, so that a deployment can be rolled back and forth."""
    store.hit("a", 30, 60)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE windows ADD COLUMN newer TEXT")
        connection.execute("DROP TABLE keys")

    assert store.hit("a", 30, 60).remaining == 28
    assert store.claim("a", "print", "owner", lease=60, again=False).state == ClaimState.NEW


FULL = """
import resource, sys
from app.stores import StoreLostError
from app.stores.sqlite import SqliteStore
from app.stores.sqlite.statements import CLAIM, HIT
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


def test_a_full_disk_is_a_lost_store(path: Path) -> None:
    """Nothing is admitted that could not be written, and the store works again when there is room."""
    command = [sys.executable, "-c", FULL, str(path), str(256 * 1024)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines() == ["SQLITE_IOERR_WRITE", "28"]


def test_a_key_of_a_later_release_is_not_judged(store: SqliteStore, path: Path) -> None:
    """Whatever its state means, nothing may be sent under it."""
    store.claim("a", "fingerprint", "owner", lease=60, again=False)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE keys SET state = 'postponed'")
    with pytest.raises(UnreadableRecordError):
        store.claim("a", "fingerprint", "another", lease=60, again=False)
