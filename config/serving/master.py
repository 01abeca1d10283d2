"""Fixes to gunicorn's master, which would lose signals, exit over a single failure, and kill all after a freeze.

It has no hooks for this: methods that it calls are replaced, and its clock.
"""

import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

from gunicorn import arbiter  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from config.serving.failure_log import FailureLog

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# An exit code that no process has.
_NO_CODE = -1
# The master looks at its workers about once a second.
_FREEZE_SECONDS = 2.5
_RETRY_SECONDS = 1.0
# What a worker ends with for which gunicorn stops all the others.
_NOT_LOADED = frozenset({Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR})
_SHORTAGES = frozenset({errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN})
# Of a shared library, the dynamic linker tells it in words only (dlopen(3)).
_SHORT_LINKER = re.compile(r"failed to map segment|cannot allocate memory|too many open files", re.IGNORECASE)


def mend(server: Arbiter) -> None:
    """Replace methods of the master, before it starts workers."""
    # The age of the newest worker that a SIGHUP replaces: up to it they serve only what they have.
    server.leaving = 0
    server.spawn_worker = Spawner(server)
    server.wait_for_signals = partial(_stops_first, server.wait_for_signals)
    server.halt = partial(_halt, server, server.halt)
    server.murder_workers = Killer(server)
    # As it was started itself: after `python -m gunicorn` gunicorn's own command would run a file among whose
    # neighbours Python finds another `http`, and all options of Python would be left out.
    server.START_CTX["args"] = [sys.executable, *sys.orig_argv[1:]]
    server.reexec = partial(_reexec, FailureLog(server.log, "new master not started"), server.reexec)
    # It measures the grace period by `time.time`: a clock set forward would kill workers with their sends.
    arbiter.time = SimpleNamespace(time=time.monotonic, monotonic=time.monotonic, sleep=time.sleep)


class Spawner:
    """Starts a worker, or logs once why none can start now: the master, which would exit, retries."""

    def __init__(self, server: Arbiter) -> None:
        self._spawn = server.spawn_worker
        self._server = server
        self._failures = FailureLog(server.log, "worker not started")
        # The umask can be read only by setting it.
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def __call__(self) -> int | None:
        """Return the worker's PID, or None if it could not be started.

        Until the worker has its own signal handlers it has the master's, which would lose a signal to stop: those
        stay blocked until `accept_stops`. A worker that could not be loaded while others serve, or for want of
        memory or files, ends with another code than gunicorn gives it: for that one the master would stop all.
        """
        master = os.getpid()
        others_serve = any(map(self._serves, self._server.WORKERS.values()))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            pid: int = self._spawn()
        except SystemExit as end:
            # This is the worker: gunicorn ends it while it handles the error.
            if end.code in _NOT_LOADED:
                _end_alone(end.__context__, others_serve=others_serve)
            raise
        except Exception as error:
            if os.getpid() != master:
                # A worker that failed, and then failed to log it: gunicorn would have it go on as a second master.
                # Its threads still answer the requests that they have.
                raise SystemExit(1) from None
            if not isinstance(error, OSError):
                raise
            # Processes, files or memory have run out for now. Gunicorn may have left another umask set, from
            # creating a file.
            os.umask(self._umask)
            self._failures.tell(error)
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._failures.end()
        return pid

    def _serves(self, worker: Worker) -> bool:
        # Once it is loaded, a worker dates its file by the monotonic clock, decades back (gunicorn, WorkerTmp).
        is_loaded: bool = worker.tmp.last_update() <= time.monotonic()
        return is_loaded and worker.age > self._server.leaving


class Killer:
    """Kills workers that hang, as gunicorn does, but none for a time in which nobody could run.

    When a frozen container or machine goes on, all workers have been silent for as long as it stood still, and
    gunicorn would kill them with their sends. If the master itself was away, they have the whole timeout again.
    """

    def __init__(self, server: Arbiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._kill = server.murder_workers
        self._server = server
        self._clock = clock
        self._looked_at = self._awake_since = clock()

    def __call__(self) -> None:
        """Kill the workers that have been silent for the timeout while the master was awake."""
        now = self._clock()
        if now - self._looked_at > _FREEZE_SECONDS:
            self._awake_since = now
        self._looked_at = now
        if now - self._awake_since >= self._server.timeout:
            self._kill()


def _end_alone(error: BaseException | None, *, others_serve: bool) -> None:
    """End this process, a second later, if others serve or the error is a shortage; raises nothing, however short.

    The master starts the next worker at once. What is raised here would have this one go on as a second master.
    """
    with suppress(Exception):
        if not (others_serve or _is_shortage(error)):
            return
        time.sleep(_RETRY_SECONDS)
    os._exit(1)


def _is_shortage(error: BaseException | None) -> bool:
    """Return whether the error, or one that it was raised for, is a lack of memory or files."""
    if error is None:
        return False
    is_short = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SHORTAGES)
    is_told = isinstance(error, ImportError) and _SHORT_LINKER.search(str(error)) is not None
    return is_short or is_told or _is_shortage(error.__cause__ or error.__context__)


def accept_stops() -> None:
    """Let a worker, which has its handlers now, be told to stop."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _reexec(failures: FailureLog, reexec: Callable[[], None]) -> None:
    """Start a new master (SIGUSR2), or log why there is none."""
    master = os.getpid()
    try:
        reexec()
    except OSError as error:
        failures.tell(error)
    finally:
        if os.getpid() != master:
            # A fork that could not become one, whatever kept it from that, or from saying so: gunicorn would have
            # it stop this one's workers.
            os._exit(1)


def _stops_first(wait_for_signals: Callable[..., list[int]], timeout: float = 1.0) -> list[int]:
    """Return the signals to stop before others that came with them, which gunicorn may take long to handle."""
    # SIGTERM after the quick ones: it would lose them.
    order = (signal.SIGQUIT, signal.SIGINT, signal.SIGTERM)
    return sorted(wait_for_signals(timeout=timeout), key=lambda it: order.index(it) if it in STOPS else len(order))


def _halt(server: Arbiter, halt: Callable[..., None], reason: str | None = None, exit_status: int = 0) -> None:
    """Halt, and wait for all workers: boot errors, which would end the wait, are ignored."""
    server.WORKER_BOOT_ERROR = server.APP_LOAD_ERROR = _NO_CODE
    halt(reason=reason, exit_status=exit_status)
