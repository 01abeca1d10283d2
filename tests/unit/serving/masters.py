"""A stand-in for gunicorn's master, mended as ours is, and workers that it starts."""

import errno
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

from config.serving.master import mend
from tests.environs import ROOT

# Each statement is what a worker does in place of being loaded.
_WORKERS = """
import errno, os, sys
from tests.unit.serving.masters import Master

def spawn():
    pid = os.fork()
    if pid == 0:
        exec(statement)
    return pid

begun = []
for statement in sys.argv[1:]:
    master = Master()
    master.spawn_worker._spawn = spawn
    begun.append(master.spawn_worker())
for pid in begun:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

# How a worker ends beside others that are loaded or not.
_ENDING = """
import errno, os, sys, time
from functools import partial
from types import SimpleNamespace
from tests.unit.serving.masters import Master

def spawn():
    pid = os.fork()
    if pid == 0:
        try:
            raise {error}
        except Exception:
            sys.exit({code})
    return pid

time.sleep = lambda seconds: print("after", seconds, flush=True)
master = Master()
master.leaving = 1
files = {{age: SimpleNamespace(last_update=partial(float, date)) for age, date in {workers}}}
master.WORKERS = {{age: SimpleNamespace(age=age, tmp=file) for age, file in files.items()}}
master.spawn_worker._spawn = spawn
print(os.waitstatus_to_exitcode(os.waitpid(master.spawn_worker(), 0)[1]))
"""

# A new master that fails before it is one, and what becomes of its process.
_NEW_MASTER = """
import errno, os
from config.serving.master import mend
from tests.unit.serving.masters import Master

def reexec():
    forks.append(os.fork())
    if forks == [0]:
        raise {error}

forks, master = [], Master()
master.reexec = reexec
mend(master)
try:
    master.reexec()
finally:
    if forks == [0]:
        print("a second master", flush=True)
print(os.waitstatus_to_exitcode(os.waitpid(forks[0], 0)[1]))
"""


class Master(SimpleNamespace):
    """What is used of gunicorn's: it finds these signals together, and starts workers as it is told."""

    def __init__(self, *outcomes: int | Exception, signals: tuple[int, ...] = ()) -> None:
        super().__init__(
            log=Mock(),
            spawn_worker=Mock(side_effect=outcomes),
            wait_for_signals=Mock(return_value=list(signals)),
            halt=Mock(),
            reexec=Mock(side_effect=OSError(errno.EAGAIN, "no process")),
            START_CTX={},
            murder_workers=Mock(),
            timeout=30,
            WORKERS={},
        )
        mend(self)


def codes(*statements: str) -> list[int]:
    """The exit codes of workers that do this beside each other, in a process of their own; they say nothing."""
    command = [sys.executable, "-c", _WORKERS, *statements]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    return [int(line) for line in ended.stdout.splitlines()]


def end_of(error: str, code: int = 3, workers: str = "()") -> str:
    """What a worker says, and its exit code, where this keeps it from being loaded; `workers` by age and date."""
    return _said(_ENDING.format(error=error, code=code, workers=workers))


def end_of_new_master(error: str) -> str:
    """What a fork says, and its exit code, where this keeps it from becoming a new master."""
    return _said(_NEW_MASTER.format(error=error))


def _said(script: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == ""
    return ended.stdout
