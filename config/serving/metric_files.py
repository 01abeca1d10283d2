"""The folder in which the workers of one master keep their metrics (prometheus_client, "Multiprocess Mode").

A worker that starts takes over the files of one that has ended, so that totals go on and the folder holds no more
files than there were workers at once. Renaming and reading exclude each other by a lock.
"""

import atexit
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import IO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# What only workers that run have a part in.
_OF_THE_LIVING = "gauge_live"
# Releases that tell otherwise which folders are held must not come upon these: another way, another beginning.
_PREFIX = "metrics-of-send-message-"
_LOCK = "lock"
# A worker waits no longer than this for a reader, then starts with new files.
_PATIENCE = 1.0
# The bytes of a file that prometheus_client makes, and enough for the series of fifty operations.
_ROOM = {"counter": 524_288, "histogram": 1_048_576, "gauge_livesum": 65_536, "gauge_livemax": 65_536}


@cache
def make_folder() -> str:
    """The folder of this master, made by the first call and again by no reload, and known to prometheus_client.

    In memory, where there is some: a disk that is full would end a worker that writes into its files, which are
    mapped. Folders that were left behind, because a master and all that it had started were killed, are removed.
    """
    memory = "/dev/shm"  # noqa: S108 - mkdtemp makes a name that nobody can guess, for nobody else
    place = Path(memory if os.access(memory, os.W_OK) else tempfile.gettempdir())
    for folder in place.glob(f"{_PREFIX}*"):
        if _is_left_behind(folder):
            remove(str(folder))
    # Others see it under its name when it is held already.
    hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=place))
    _hold(hidden)
    name = str(hidden.rename(place / hidden.name.removeprefix(".")))
    os.environ[VARIABLE] = name
    atexit.register(partial(_remove, name, os.getpid()))
    return name


def remove(folder: str) -> None:
    """Remove the folder with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def are_gone() -> bool:
    """Whether the folder that prometheus_client knows has been removed: nothing can be counted there any more."""
    return VARIABLE in os.environ and not Path(os.environ[VARIABLE]).exists()


def take_over(folder: Path) -> None:
    """Let this process, which has counted nothing yet, go on with the files of one that has ended.

    Where the folder is gone, with what was counted, it is made again.
    """
    folder.mkdir(0o700, exist_ok=True)
    _hold(folder)
    with (folder / _LOCK).open("a") as lock:
        if not _can_lock(lock):
            return
        pids = _pids(folder)
        ended = [pid for pid in pids if not _is_running(pid)]
        if os.getpid() in pids or not ended:
            return
        for file in _files_of(folder, ended[0]):
            if file.name.startswith(_OF_THE_LIVING):
                file.unlink()
            else:
                file.rename(_renamed(file))


def make_room(folder: Path) -> None:
    """Take the memory for the files of this process now: a later write that finds none would end it (SIGBUS)."""
    for kind, room in _ROOM.items():
        descriptor = os.open(folder / f"{kind}_{os.getpid()}.db", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            # Not on a Mac.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, room)
        finally:
            os.close(descriptor)


@contextmanager
def reading(folder: Path) -> Iterator[list[str]]:
    """The files to add up, under the lock: none is renamed. Live gauges of ended workers are deleted first.

    None where the folder is gone.
    """
    try:
        os.close(_opened(folder))
        lock = (folder / _LOCK).open("a")
    except FileNotFoundError:
        yield []
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        for pid in [pid for pid in _pids(folder) if not _is_running(pid)]:
            for file in _files_of(folder, pid):
                if file.name.startswith(_OF_THE_LIVING):
                    file.unlink(missing_ok=True)
        yield [str(file) for file in folder.glob("*.db") if _size(file)]


def _opened(folder: Path) -> int:
    """A descriptor of it. Raises OSError where it is gone, or somebody else's: anybody may put something there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(descriptor).st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _hold(folder: Path) -> None:
    """Let nobody take it for left behind as long as this process or a fork of it runs."""
    fcntl.flock(_opened(folder), fcntl.LOCK_SH)


def _is_left_behind(folder: Path) -> bool:
    """Whether this is a folder of this user's that no process holds."""
    try:
        descriptor = _opened(folder)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def _renamed(file: Path) -> Path:
    return file.with_name(f"{file.stem.rpartition('_')[0]}_{os.getpid()}.db")


def _remove(folder: str, owner: int) -> None:
    # Workers, which are forks of their master, come by here as well.
    if os.getpid() == owner:
        remove(folder)


def _pids(folder: Path) -> set[int]:
    numbers = {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}
    return {int(number) for number in numbers if number.isdecimal()}


def _files_of(folder: Path, pid: int) -> list[Path]:
    return list(folder.glob(f"*_{pid}.db"))


def _size(file: Path) -> int:
    # A worker that makes a file gives it its size right after; another reader may have removed one.
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _can_lock(lock: IO[str]) -> bool:
    """Whether readers let it in."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False
