"""What gunicorn's master would lose: a signal that comes at a bad moment, or itself over one failure.

It has no hooks for this; what is put in their place is what it calls.
"""

import os
import signal
from collections.abc import Callable
from functools import partial

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.serving.trouble import Trouble

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
# What no process exits with.
_NO_CODE = -1


def mend(server: Arbiter) -> None:
    """Hook into the master, before it starts workers."""
    server.spawn_worker = Spawner(server)
    server.wait_for_signals = partial(_stops_first, server.wait_for_signals)
    server.halt = partial(_halt, server, server.halt)


class Spawner:
    """Starts a worker, or says once why none can be started now: the master, which would end, asks again."""

    def __init__(self, server: Arbiter) -> None:
        self._spawn = server.spawn_worker
        self._trouble = Trouble(server.log, "worker not started")
        # There is no way to look at it.
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def __call__(self) -> int | None:
        """The worker's number, if there is one.

        Its handlers are the master's until it has its own (`DeadlineWorker.init_signals`): what tells it to stop
        waits until then, or it would be lost.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            pid: int = self._spawn()
        except OSError as error:
            # No process, no file or no memory may be had right now. Gunicorn makes a file with another umask.
            os.umask(self._umask)
            self._trouble.tell(error)
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._trouble.end()
        return pid


def _stops_first(wait_for_signals: Callable[..., list[int]], timeout: float = 1.0) -> list[int]:
    """Of signals that come together: gunicorn would first do what the others ask for, which may take long."""
    return sorted(wait_for_signals(timeout=timeout), key=lambda number: number not in STOPS)


def _halt(server: Arbiter, halt: Callable[..., None], reason: str | None = None, exit_status: int = 0) -> None:
    """Stop, and wait for all workers: a further one that could not start would end the wait."""
    server.WORKER_BOOT_ERROR = server.APP_LOAD_ERROR = _NO_CODE
    halt(reason=reason, exit_status=exit_status)
