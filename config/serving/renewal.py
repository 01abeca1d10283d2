"""SIGHUP without the risks that gunicorn takes.

Where a new worker cannot start, gunicorn stops for good; and while it waits for the old workers to end, which may
take their whole grace period, it looks at nothing else.
"""

import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.settings import SettingsError

# Loading the application takes a second or two.
_PATIENCE = 20.0
_LOOK_SECONDS = 0.1
_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def renew(server: Arbiter, patience: float = _PATIENCE) -> None:
    """Let new workers, which read all files again, replace the old ones; or leave those and log why.

    Raises StopIteration, as gunicorn's own handlers do, once the master is told to stop.
    """
    reason = _obstacle(server, patience)
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


def _obstacle(server: Arbiter, patience: float) -> str | None:
    """What keeps the service from being started now, as it was started; tried out in a process of its own."""
    if server.master_pid:
        # After SIGUSR2; gunicorn would end over the old master's pid file.
        return "The master before this one has not ended yet."
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
                _stop_if_told(server)
        finally:
            trial.kill()
    raise subprocess.TimeoutExpired(command, patience)


def _look_after(server: Arbiter, reap: Callable[[], None], newest: int) -> None:
    """Do what the master's loop would: stop if told to, keep the listener and the workers after `newest`."""
    reap()
    _stop_if_told(server)
    server.companion.keep()
    server.murder_workers()
    young = sum(worker.age > newest for worker in server.WORKERS.values())
    for _ in range(server.num_workers - young):
        server.spawn_worker()


def _stop_if_told(server: Arbiter) -> None:
    """Handle a signal to stop, in front of all others that wait; raises StopIteration then."""
    waiting = []
    with suppress(queue.Empty):
        while True:
            waiting.append(server.SIG_QUEUE.get_nowait())
    for number in waiting:
        server.SIG_QUEUE.put_nowait(number)
    for number in _STOPS.intersection(waiting):
        name = server.SIG_NAMES[number]
        server.log.info("Handling signal: %s", name)
        getattr(server, f"handle_{name}")()
