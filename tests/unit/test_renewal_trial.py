"""SIGHUP where the trial itself cannot be made, or is not the only thing that comes."""

import queue
import signal
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from config.serving.renewal import renew

HANGS = ["python", "-c", "import time; time.sleep(60)"]


class Master:
    """What is used of gunicorn's."""

    def __init__(self, master_pid: int = 0) -> None:
        self.told: list[Any] = []
        self.reloads = 0
        self.SIG_NAMES = {signal.SIGTERM: "term"}
        self.master_pid = master_pid
        self.SIG_QUEUE: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.log = SimpleNamespace(
            error=lambda event, extra: self.told.append((event, extra["reason"])), info=lambda *_: None
        )

    def reload(self) -> None:
        """Make new workers."""
        self.reloads += 1

    def handle_term(self) -> None:
        """As gunicorn's."""
        raise StopIteration


def test_a_trial_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the environment that it runs from is replaced: the workers that run go on, and the log says why."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    master = Master()
    renew(master)
    assert master.reloads == 0
    assert master.told == [("reload refused", "The application cannot be tried out: No such file or directory.")]


def test_a_trial_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to let workers go that run."""
    monkeypatch.setattr(sys, "orig_argv", HANGS)
    master = Master()
    renew(master, patience=0.2)
    assert master.reloads == 0
    assert master.told == [("reload refused", "The application is not loaded within 0 s.")]


def test_who_is_told_to_stop_tries_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial is left, and other signals are still there."""
    monkeypatch.setattr(sys, "orig_argv", HANGS)
    master = Master()
    for number in (signal.SIGTTIN, signal.SIGTERM):
        master.SIG_QUEUE.put(number)
    with pytest.raises(StopIteration):
        renew(master)
    assert (master.reloads, master.SIG_QUEUE.get_nowait()) == (0, signal.SIGTTIN)


def test_a_new_master_waits_for_the_old_one() -> None:
    """Gunicorn would end over the pid file that is still the old one's."""
    master = Master(master_pid=1)
    renew(master)
    assert (master.reloads, master.told) == (
        0,
        [("reload refused", "The master before this one has not ended yet.")],
    )
