"""SIGHUP without the risks that gunicorn takes.

Where a new worker cannot start, gunicorn stops for good; and while it waits for the old workers to end, which may
take their whole grace period, it looks at nothing else.
"""

import hashlib
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.serving.master import STOPS
from config.settings import SettingsError

# Loading the application takes a second or two.
_PATIENCE = 20.0
_LOOK_SECONDS = 0.1


class _ToldToStopError(Exception):
    """There is something else to do, which is the master's own loop's."""


def loaded() -> dict[str, bytes]:
    """The files of `config` that this process has and its forks go on with, each with a digest of its content."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "config"]
    return {file: _digest(file) for file in (module.__file__ for module in modules) if file}


def renew(server: Arbiter, started_with: Mapping[str, bytes], patience: float = _PATIENCE) -> None:
    """Let new workers, which read all other files again, replace the old ones; or leave those and log why.

    It ends as soon as the master is told to stop.
    """
    with suppress(_ToldToStopError):
        _renew(server, started_with, patience)


def _renew(server: Arbiter, started_with: Mapping[str, bytes], patience: float) -> None:
    reason = _obstacle(server, started_with, patience)
    if reason:
        server.log.error("reload refused", extra={"reason": reason})
        return
    # Gunicorn calls it over and over while it waits for the old workers.
    reap = server.reap_workers
    server.reap_workers = partial(_look_after, server, reap, server.worker_age)
    try:
        server.reload()
    finally:
        server.reap_workers = reap


def _obstacle(server: Arbiter, started_with: Mapping[str, bytes], patience: float) -> str | None:
    """What keeps the service from being started now, as it was started; tried out in a process of its own."""
    if server.master_pid:
        # After SIGUSR2; gunicorn would end over the old master's pid file.
        return "The master before this one has not ended yet."
    if any(_digest(file) != digest for file, digest in started_with.items()):
        # New workers would have the old one with whatever else is new; the trial has the new one.
        return "The code of config/ is another one than at the start: restart."
    try:
        code, told = _tried_out(server, patience)
    except subprocess.TimeoutExpired:
        return f"The application is not loaded within {patience:.0f} s."
    except OSError as error:
        # As while the environment that it runs from is being replaced.
        return f"The application cannot be tried out: {error.strerror}."
    if code == 0:
        return None
    # Whatever else it wrote may hold values.
    _, beginning, problems = told.partition(SettingsError.BEGINNING)
    return (beginning + problems).strip() or "The application cannot be loaded: gunicorn --check-config tells why."


def _tried_out(server: Arbiter, patience: float) -> tuple[int, str]:
    """The trial's exit code and what it wrote; meanwhile the workers go on. Raises TimeoutExpired, OSError."""
    command = [sys.executable, *sys.orig_argv[1:], "--check-config"]
    until = time.monotonic() + patience
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as trial:
        try:
            while time.monotonic() < until:
                with suppress(subprocess.TimeoutExpired):
                    _, told = trial.communicate(timeout=_LOOK_SECONDS)
                    return trial.returncode, told
                _leave_if_told_to_stop(server)
        finally:
            trial.kill()
    raise subprocess.TimeoutExpired(command, patience)


def _look_after(server: Arbiter, reap: Callable[[], None], newest: int) -> None:
    """Do what the master's loop would: keep the listener and the workers after `newest`."""
    reap()
    _leave_if_told_to_stop(server)
    server.companion.keep()
    server.murder_workers()
    young = sum(worker.age > newest for worker in server.WORKERS.values())
    for _ in range(server.num_workers - young):
        server.spawn_worker()
    if young < server.num_workers:
        # Where one could not be started before, an old one was kept in its place.
        server.manage_workers()


def _digest(file: str) -> bytes:
    """Of what is in the file, not of its time: that changes where nothing else does, and the other way round."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).digest()
    except OSError:
        return b""


def _leave_if_told_to_stop(server: Arbiter) -> None:
    """Look whether a signal to stop waits among others, and leave it where it is."""
    waiting = []
    with suppress(queue.Empty):
        while True:
            waiting.append(server.SIG_QUEUE.get_nowait())
    for number in waiting:
        server.SIG_QUEUE.put_nowait(number)
    if not STOPS.isdisjoint(waiting):
        raise _ToldToStopError
