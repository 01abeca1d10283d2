"""SIGHUP where the trial itself cannot be made, or is not the only thing that comes."""

import os
import queue
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.serving.renewal import loaded, renew

HANGS = ["python", "-c", "import time; time.sleep(60)"]


class Master:
    """What is used of gunicorn's."""

    def __init__(self, master_pid: int = 0) -> None:
        self.told: list[Any] = []
        self.reloads = 0
        self.master_pid = master_pid
        self.worker_age = 0
        self.reap_workers: Callable[[], None] = lambda: None
        self.SIG_QUEUE: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.log = SimpleNamespace(error=lambda event, extra: self.told.append((event, extra["reason"])))

    def reload(self) -> None:
        """Make new workers."""
        self.reloads += 1


def test_a_trial_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the environment that it runs from is replaced: the workers that run go on, and the log says why."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    master = Master()
    renew(master, {})
    assert master.reloads == 0
    assert master.told == [("reload refused", "The application cannot be tried out: No such file or directory.")]


def test_a_trial_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to let workers go that run."""
    monkeypatch.setattr(sys, "orig_argv", HANGS)
    master = Master()
    renew(master, {}, patience=0.2)
    assert master.reloads == 0
    assert master.told == [("reload refused", "The application is not loaded within 0 s.")]


def test_who_is_told_to_stop_tries_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial is left, and all signals are still there, for the master's own loop."""
    monkeypatch.setattr(sys, "orig_argv", HANGS)
    master = Master()
    for number in (signal.SIGTTIN, signal.SIGTERM):
        master.SIG_QUEUE.put(number)
    renew(master, {})
    assert (master.reloads, master.told) == (0, [])
    assert [master.SIG_QUEUE.get_nowait() for _ in range(2)] == [signal.SIGTTIN, signal.SIGTERM]


def test_a_new_master_waits_for_the_old_one() -> None:
    """Gunicorn would end over the pid file that is still the old one's."""
    master = Master(master_pid=1)
    renew(master, {})
    assert (master.reloads, master.told) == (
        0,
        [("reload refused", "The master before this one has not ended yet.")],
    )


@pytest.mark.parametrize("name", ["settings.py", "gone.py"])
def test_other_code_of_config_takes_a_restart(tmp_path: Path, name: str) -> None:
    """New workers would have what the master has, beside an `app` that may ask for more."""
    (tmp_path / "settings.py").touch()
    master = Master()
    renew(master, {str(tmp_path / name): b"as it was"})
    assert (master.reloads, master.told) == (
        0,
        [("reload refused", "The code of config/ is another one than at the start: restart.")],
    )


def test_only_what_is_loaded_of_config_counts() -> None:
    """And not, for instance, what workers load anew."""
    names = {Path(file).name for file in loaded()}
    assert {"settings.py", "renewal.py"} <= names
    assert "arbiter.py" not in names
    assert all(loaded().values())


def test_files_that_are_new_only_in_time_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a checkout; the trial then decides."""
    file = tmp_path / "settings.py"
    file.write_text("as it was")
    monkeypatch.setitem(sys.modules, "config.made_up", SimpleNamespace(__file__=str(file)))
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", ""])
    master, started_with = Master(), loaded()
    file.unlink()
    file.write_text("as it was")
    os.utime(file, (0, 0))
    renew(master, started_with)
    assert (master.reloads, master.told) == (1, [])


def test_old_workers_go_when_new_ones_could_be_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then they are kept in their place, and the renewal waits for them."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", ""])
    workers, managed = {1: SimpleNamespace(age=1)}, list[set[int]]()
    master = Master()
    vars(master).update(
        WORKERS=workers,
        worker_age=1,
        num_workers=1,
        companion=SimpleNamespace(keep=lambda: None),
        murder_workers=lambda: None,
        spawn_worker=lambda: workers.update({2: SimpleNamespace(age=2)}),
        manage_workers=lambda: managed.append(set(workers)),
        reload=lambda: [master.reap_workers() for _ in range(2)],
    )
    renew(master, {})
    assert managed == [{1, 2}]
