"""Processes that end with the launcher, and the signals that end the launcher."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

STOP_SECONDS = 16
"""How long a child may take to end by itself: a little more than the service gives the requests that it holds."""

PR_SET_PDEATHSIG = 1


class StopSignals:
    """Becomes true with the first SIGINT, SIGTERM or SIGHUP; further ones change nothing.

    Nothing is raised out of a handler, so no signal can cut short the ending of the children.
    """

    def __init__(self) -> None:
        self._received = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def __bool__(self) -> bool:
        return self._received

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._received = True


def death_signal() -> Callable[[], None] | None:
    """What a new child calls so that it gets SIGTERM when the launcher is killed (prctl(2); Linux alone)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A process in a session of its own: a terminal's Ctrl-C reaches it through the launcher alone.

    Its output goes to `log`, which begins anew; what it writes is for its owner alone.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, *, cwd: Path, env: Mapping[str, str]) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                preexec_fn=death_signal(),  # noqa: PLW1509 - the launcher has one thread
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM to it, after at most so many seconds SIGKILL to what is left of all that it started."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
