"""The files of the store, looked after: if they are replaced, each process would go on in files of its own."""

import os
from pathlib import Path

from app.processes import PerProcess

_Identity = list[tuple[int, int] | None]


class FileReplacedError(OSError):
    """A file of the store is not the one that this process has open: others may be using another."""


class Files:
    """The file at `path` and the two that SQLite keeps beside it, which stay while a process has them open."""

    def __init__(self, path: Path) -> None:
        self._paths = [f"{path}{ending}" for ending in ("", "-wal", "-shm")]
        self._opened: PerProcess[_Identity] = PerProcess(list)

    def note(self) -> None:
        """Take those that are there for those that this process has open; raises OSError."""
        self._opened.get()[:] = map(_identity, self._paths)

    def check(self) -> None:
        """Raise FileReplacedError if another file is there, or none, in place of one that was noted."""
        try:
            present = [*map(_identity, self._paths)]
        except OSError:
            # Whether they can still be used the caller finds out.
            return
        if present != self._opened.get():
            raise FileReplacedError


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path takes three times as long
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
