"""A sandbox in processes of its own, and its commands."""

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.environs import ROOT

COMMAND = (sys.executable, "-m", "app.sandbox")
# What a developer may have set for something else.
STRAY = {"JWT_JWKS_URL": "http://127.0.0.1:1/", "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1", "RATE_LIMIT": "x"}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def shell(line: str) -> tuple[list[str], str]:
    """The status line and headers of the last answer, and its body."""
    answer = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=60).stdout
    head, _, body = answer.replace("\r", "").rpartition("\n\n")
    return head[head.rindex("HTTP/1.1 ") :].split("\n"), body


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


class Launched:
    """A launcher in a group of its own, and all that it started."""

    def __init__(self, var: Path, *options: str) -> None:
        self.var, self.port = var, free_port()
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--port", str(self.port), "--var", str(var), *options],
            cwd=ROOT,
            env={**os.environ, **STRAY, "PYTHONUNBUFFERED": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self.lines: list[str] = []
        self._watched: list[int] = []

    def read_until_ready(self) -> None:
        """Read up to the last line of the welcome."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail("\n".join(self.lines))
        self._watched = [os.pidfd_open(pid) for pid in descendants(self.process.pid)]

    @property
    def curl(self) -> str:
        """The one line to paste."""
        (line,) = [line for line in self.lines if line.startswith("curl ")]
        return line

    @property
    def reference(self) -> str:
        """The address of the reference page."""
        return next(line for line in self.lines if "/docs#" in line)

    @property
    def inbox(self) -> str:
        """The address of the inbox."""
        return next(line.split()[-1] for line in self.lines if line.startswith("Watch "))

    def running(self, seconds: float = 0) -> int:
        """How many of all that was started still run after at most so many seconds."""
        left = 0
        for pidfd in self._watched:
            ended, _, _ = select.select([pidfd], [], [], seconds)
            left += not ended
        return left

    def close(self) -> None:
        """End everything, whatever the test did."""
        for pidfd in self._watched:
            os.close(pidfd)
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=60)


@contextmanager
def launched(var: Path, *options: str) -> Iterator[Launched]:
    launcher = Launched(var, *options)
    guard = threading.Timer(150, launcher.process.terminate)
    guard.start()
    try:
        yield launcher
    finally:
        guard.cancel()
        launcher.close()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
