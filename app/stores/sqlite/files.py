"""The files of the store, looked after: if they are replaced, each process would go on in files of its own."""

import os
from pathlib import Path

from app.processes import PerProcess

_Identity = tuple[int, int] | None


class FileReplacedError(OSError):
    """A file of the store is not the one that this process has open: others may be using another."""


class Files:
    """The file at `path` and the two that SQLite keeps beside it, which stay while a process has them open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: PerProcess[dict[str, _Identity]] = PerProcess(dict)

    def note(self) -> None:
        """Take those that are there for those that this process has open; raises OSError."""
        paths = (f"{self._path}", beside(self._path, "-wal"), beside(self._path, "-shm"))
        present = {path: _identity(path) for path in paths}
        opened = self._opened.get()
        opened.clear()
        opened.update(present)

    def check(self) -> None:
        """Raise FileReplacedError if another file is there, or none, in place of one that was noted."""
        opened = self._opened.get()
        try:
            present = {path: _identity(path) for path in opened}
        except OSError:
            # Whether they can still be used the caller finds out.
            return
        if present != opened:
            raise FileReplacedError


def beside(path: Path, ending: str) -> str:
    """Return the path of SQLite's own file with this ending: beside what `path` leads to, if that is a link."""
    return f"{os.path.realpath(path)}{ending}"


def _identity(path: str) -> _Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path takes three times as long
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
