"""SIGHUP without the risks that gunicorn takes.

If a new worker cannot start, gunicorn stops for good; and while it waits for the old workers to end, which may
take their whole graceful timeout, it attends to nothing else.
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

from config.serving import metric_files
from config.serving.master import STOPS
from config.settings import SettingsError

# Loading the application takes a second or two.
_PATIENCE = 20.0
_LOOK_SECONDS = 0.1


class _ToldToStopError(Exception):
    """A signal to stop is queued, which the master's own loop handles."""


def loaded() -> dict[str, bytes]:
    """Return the files of `config` loaded in this process, and so in its forks, with a digest of each."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "config"]
    return {file: _digest(file) for file in (module.__file__ for module in modules) if file}


def renew(server: Arbiter, started_with: Mapping[str, bytes], patience: float = _PATIENCE) -> None:
    """Replace the workers by new ones, which load all files outside `config` again; or keep them and log why.

    Returns as soon as the master is told to stop.
    """
    # Gunicorn calls it repeatedly while it waits for the old workers.
    reap = server.reap_workers
    with suppress(_ToldToStopError):
        reason = _obstacle(server, started_with, patience)
        if reason:
            server.log.error("reload refused", extra={"reason": reason})
            return
        server.reap_workers = partial(_look_after, server, reap, server.worker_age)
        server.leaving = server.worker_age
        try:
            server.reload()
        finally:
            server.reap_workers = reap


def _obstacle(server: Arbiter, started_with: Mapping[str, bytes], patience: float) -> str | None:
    """Return what would keep the service from being started again now, or None; tried in a separate process."""
    if server.master_pid:
        # After SIGUSR2; gunicorn would exit over the old master's PID file.
        return "The master before this one has not ended yet."
    if any(_digest(file) != digest for file, digest in started_with.items()):
        # New workers would run the old config/ with other code that is new; the trial runs the new config/.
        return "The code of config/ is another one than at the start: restart."
    try:
        code, told = _tried_out(server, patience)
    except subprocess.TimeoutExpired:
        return f"The application is not loaded within {patience:.0f} s."
    except OSError as error:
        # For example while the Python environment is being replaced.
        return f"The application cannot be tried out: {error.strerror}."
    if code == 0:
        return None
    # Anything else that it wrote may contain values of settings.
    _, beginning, problems = told.partition(SettingsError.BEGINNING)
    return (beginning + problems).strip() or "The application cannot be loaded: gunicorn --check-config tells why."


def _tried_out(server: Arbiter, patience: float) -> tuple[int, str]:
    """Return the trial's exit code and stderr; the workers go on meanwhile. Raises TimeoutExpired or OSError."""
    command = [sys.executable, *sys.orig_argv[1:], "--check-config"]
    environ = metric_files.environment_without()
    until = time.monotonic() + patience
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
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
    """Do the master loop's work: keep the listener running, and the workers started after `newest`."""
    reap()
    _leave_if_told_to_stop(server)
    server.companion.keep()
    server.murder_workers()
    young = sum(worker.age > newest for worker in server.WORKERS.values())
    for _ in range(server.num_workers - young):
        server.spawn_worker()
    if young < server.num_workers:
        # In place of each that could not be started before, an old one was kept.
        server.manage_workers()


def _digest(file: str) -> bytes:
    """Hash the content, rather than compare modification times: either can change without the other."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).digest()
    except OSError:
        return b""


def _leave_if_told_to_stop(server: Arbiter) -> None:
    """Raise _ToldToStopError if a signal to stop is queued; all signals stay in the queue."""
    waiting = []
    with suppress(queue.Empty):
        while True:
            waiting.append(server.SIG_QUEUE.get_nowait())
    for number in waiting:
        server.SIG_QUEUE.put_nowait(number)
    if not STOPS.isdisjoint(waiting):
        raise _ToldToStopError
