"""Files that somebody deletes or replaces under a process that uses them."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.stores import ClaimState, StoreLostError
from app.stores.sqlite import SWEEP_EVERY, SqliteStore

REPLACED = r"^FileReplacedError$"


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def delete(path: Path) -> None:
    for file in path.parent.iterdir():
        file.unlink()


def replace(path: Path) -> None:
    """As `cp` and `mv` of a backup do."""
    copy = beside(path, ".copy")
    shutil.copyfile(path, copy)
    copy.rename(path)


HARMS: dict[str, Callable[[Path], object]] = {
    "all deleted": delete,
    "the file deleted": Path.unlink,
    "the file replaced": replace,
    "the log deleted": lambda path: beside(path, "-wal").unlink(),
    "the index deleted": lambda path: beside(path, "-shm").unlink(),
    "the folder deleted": lambda path: shutil.rmtree(path.parent),
    "the folder moved": lambda path: path.parent.rename(path.parent.with_name("moved")),
}
# What SQLite keeps beside a file is beside that, not beside a link to it.
OF_A_LINK: dict[str, Callable[[Path], object]] = {
    "led elsewhere": lambda path: lead(path, path.with_name("another.sqlite3")),
    "the log deleted": lambda path: beside(path.resolve(), "-wal").unlink(),
    "the index deleted": lambda path: beside(path.resolve(), "-shm").unlink(),
}


def lead(link: Path, file: Path) -> None:
    """Have the link lead to the file, which may be empty."""
    file.touch(mode=0o600)
    link.unlink(missing_ok=True)
    link.symlink_to(file)


@pytest.fixture
def successor(path: Path) -> Iterator[SqliteStore]:
    """That of a process which starts later."""
    opened = SqliteStore(str(path))
    yield opened
    opened.close()


def claim(store: SqliteStore) -> ClaimState:
    return store.claim("a", "fingerprint", f"{id(store)}", lease=60, again=False).state


@pytest.mark.parametrize("harm", HARMS)
def test_two_processes_grant_no_key_twice(
    store: SqliteStore, successor: SqliteStore, path: Path, harm: str
) -> None:
    """Who had the files open before has lost the store; then all use the files that are there."""
    store.hit("a", 30, 60)
    HARMS[harm](path)

    with pytest.raises(StoreLostError, match=REPLACED):
        claim(store)
    assert [claim(successor), claim(store)] == [ClaimState.NEW, ClaimState.IN_PROGRESS]


@pytest.mark.parametrize("harm", OF_A_LINK)
def test_a_link_hides_nothing(store: SqliteStore, successor: SqliteStore, path: Path, harm: str) -> None:
    """Neither where it leads nor what lies there; and once is enough."""
    path.parent.mkdir(parents=True)
    lead(path, path.parents[1] / "real.sqlite3")
    store.hit("a", 30, 60)
    OF_A_LINK[harm](path)

    with pytest.raises(StoreLostError, match=REPLACED):
        claim(store)
    assert [claim(successor), claim(store)] == [ClaimState.NEW, ClaimState.IN_PROGRESS]


def test_two_processes_share_a_limit_again(store: SqliteStore, successor: SqliteStore, path: Path) -> None:
    """A process without keys notices as often as it sweeps."""
    store.hit("a", 30, 60)
    delete(path)
    successor.hit("a", 30, 60)

    with pytest.raises(StoreLostError, match=REPLACED):
        list(map(store.hit, ["another"] * SWEEP_EVERY, [30] * SWEEP_EVERY, [60] * SWEEP_EVERY))
    assert store.hit("a", 30, 60).remaining == 28


def test_an_outcome_is_recorded_where_others_look(store: SqliteStore, successor: SqliteStore, path: Path) -> None:
    """Not in files that are gone: it is tried again when the store is back, and a repeat gets its answer."""
    claim(store)
    delete(path)

    with pytest.raises(StoreLostError, match=REPLACED):
        store.settle("a", "fingerprint", f"{id(store)}", "sent", b"answer")
    store.settle("a", "fingerprint", f"{id(store)}", "sent", b"answer")
    found = successor.claim("a", "fingerprint", "another", lease=60, again=False)
    assert (found.state, found.answer) == (ClaimState.SENT, b"answer")


def test_a_process_that_ends_replaces_nothing(store: SqliteStore, successor: SqliteStore) -> None:
    """The files stay while one process has them open."""
    store.hit("a", 30, 60)
    successor.hit("a", 30, 60)
    successor.close()

    assert claim(store) == ClaimState.NEW
