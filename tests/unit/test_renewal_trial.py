"""SIGHUP where the trial itself cannot be made."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from config.renewal import renew


class Master:
    """What is used of gunicorn's."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.reloads = 0
        self.log = SimpleNamespace(error=lambda event, extra: self.told.append((event, extra["reason"])))

    def reload(self) -> None:
        """Make new workers."""
        self.reloads += 1


def test_a_trial_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the environment that it runs from is replaced: the workers that run go on, and the log says why."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    master = Master()
    renew(master)
    assert master.reloads == 0
    assert master.told == [("reload refused", "The application cannot be tried out: No such file or directory.")]


def test_a_trial_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to let workers go that run."""

    def run(*_: object, **given: Any) -> None:
        raise subprocess.TimeoutExpired("gunicorn", given["timeout"])

    monkeypatch.setattr(subprocess, "run", run)
    master = Master()
    renew(master)
    assert (master.reloads, [event for event, _ in master.told]) == (0, ["reload refused"])
