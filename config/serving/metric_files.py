"""The folder in which the workers of one master keep their metrics (prometheus_client, "Multiprocess Mode").

A starting worker takes over the files of one that has ended, so that totals continue and the folder holds files of
no more workers than ran at once. A lock keeps renaming and reading apart.
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
# Gauges to which only running workers contribute.
_OF_THE_LIVING = "gauge_live"
# Must change whenever the test for folders in use changes: releases must not judge each other's folders.
_PREFIX = "metrics-of-send-message-"
_LOCK = "lock"
# Where the master writes how many workers there should be.
WANTED = "wanted"
# A worker waits at most this long for readers, then starts with new files.
_PATIENCE = 1.0
# Bytes per file: at least prometheus_client's initial size, and enough for the series of fifty operations.
_ROOM = {"counter": 524_288, "histogram": 1_048_576, "gauge_livesum": 65_536, "gauge_livemax": 65_536}


@cache
def own_folder() -> str:
    """Return this master's folder, made with the first call, which also tells prometheus_client of it.

    It is in memory if possible: on a full disk, a write to the memory-mapped files would kill the worker. Folders
    left behind by a master that was killed with all its children are removed.
    """
    memory = "/dev/shm"  # noqa: S108 - mkdtemp makes an unguessable name, for this user alone
    place = Path(memory if os.access(memory, os.W_OK) else tempfile.gettempdir())
    for folder in place.glob(f"{_PREFIX}*"):
        if _is_left_behind(folder):
            remove(str(folder))
    # Held before it has its name: otherwise another master could remove it as left behind.
    hidden = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=place))
    _hold(hidden)
    name = str(hidden.rename(place / hidden.name.removeprefix(".")))
    os.environ[VARIABLE] = name
    atexit.register(partial(_remove, name, os.getpid()))
    return name


def environment_without() -> dict[str, str]:
    """Return the environment for a child that would else count as one of the workers."""
    return {name: value for name, value in os.environ.items() if name != VARIABLE}


def remove(folder: str) -> None:
    """Remove the folder and its contents."""
    shutil.rmtree(folder, ignore_errors=True)


def are_gone() -> bool:
    """Return whether prometheus_client's folder has been removed: nothing can be counted there any more."""
    return VARIABLE in os.environ and not Path(os.environ[VARIABLE]).exists()


def take_over(folder: Path) -> None:
    """Let this process, which has counted nothing yet, continue with the files of one that has ended.

    If the folder is gone, and the counts with it, it is created again.
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
                file.rename(file.with_name(f"{file.stem.rpartition('_')[0]}_{os.getpid()}.db"))


def make_room(folder: Path) -> None:
    """Allocate the memory of this process's files now: a later write that finds none would kill it (SIGBUS)."""
    for kind, room in _ROOM.items():
        descriptor = os.open(folder / f"{kind}_{os.getpid()}.db", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            # Missing on macOS.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, room)
        finally:
            os.close(descriptor)


@contextmanager
def reading(folder: Path) -> Iterator[list[str]]:
    """Yield the files to add up, locked against renaming. Live gauges of ended workers are deleted first.

    There are none if the folder is gone.
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
    """Return a descriptor; raises OSError if the folder is gone or another user's, as anybody may create one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(descriptor).st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _hold(folder: Path) -> None:
    """Mark the folder as in use for as long as this process or a fork of it runs."""
    fcntl.flock(_opened(folder), fcntl.LOCK_SH)


def _is_left_behind(folder: Path) -> bool:
    """Return whether the folder belongs to this user and no process holds it."""
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


def _remove(folder: str, owner: int) -> None:
    # Workers, which are forks of the master, call this as well when they exit.
    if os.getpid() == owner:
        remove(folder)


def _pids(folder: Path) -> set[int]:
    numbers = {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}
    return {int(number) for number in numbers if number.isdecimal()}


def _files_of(folder: Path, pid: int) -> list[Path]:
    return list(folder.glob(f"*_{pid}.db"))


def _size(file: Path) -> int:
    # A worker sizes a file right after creating it; another reader may have removed one.
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
    """Take the lock; return False if readers hold it for too long."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False
