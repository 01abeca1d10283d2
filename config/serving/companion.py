"""The listener as gunicorn's master runs it: started after the workers, and restarted if it ends."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.serving import metric_files
from config.serving.failure_log import FailureLog

# The listener of a killed master notices that within half a second, and frees the address.
_PATIENCE = 2.0
# The master wakes up for one that ends at once, and would start the next one as fast as it can.
_RETRY_SECONDS = 1.0
_ROOT = Path(__file__).resolve().parents[2]


class Companion:
    """Holds the METRICS_BIND socket and keeps a `config.serving.listener` running on it."""

    def __init__(
        self, server: Arbiter, address: str, folder: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._folder = folder
        self._wanted = Path(folder) / metric_files.WANTED
        host, _, port = address.rpartition(":")
        self._address = (host.strip("[]"), int(port))
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._workers_are_started = False
        self._clock = clock
        self._next_start = 0.0
        self._failures = FailureLog(server.log, "listener not started")

    def bind(self, patience: float = _PATIENCE) -> None:
        """Bind the address; raises OSError if that fails, or if it is still in use after `patience` seconds."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        # As gunicorn does with BIND, take IPv4 as well at `[::]`, which Python alone would not.
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        until = time.monotonic() + patience
        while self._socket is None:
            try:
                self._socket = socket.create_server(self._address, family=family, backlog=128, dualstack_ipv6=both)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def attach(self) -> None:
        """Hook into the master: keep the listener running from its loop's second turn on, and tell it of the stop.

        The workers start first: requests to the listener meanwhile wait in its socket's backlog.
        """
        server = self._server
        server.manage_workers = partial(self._manage, server.manage_workers)
        server.stop = partial(self._drain, server.stop)

    def keep(self) -> None:
        """Start the listener unless it is running, or was started within the last second."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._process is not None:
            self._server.log.error("listener ended")
            self._process = None
        now = self._clock()
        if now < self._next_start:
            return
        self._next_start = now + _RETRY_SECONDS
        try:
            if self._socket is None:
                self.bind(patience=0)
            self._process = self._start()
            self._failures.end()
        except OSError as error:
            # Gunicorn would exit, with all requests. The address may be an old master's, after SIGUSR2; memory,
            # processes or files may have run out for now.
            self._failures.tell(error)

    def release(self) -> None:
        """Close the socket in a process that is not the master."""
        if self._socket is not None:
            self._socket.close()

    def end(self) -> None:
        """Kill the listener; the workers have ended."""
        if self._process is not None:
            self._process.kill()

    def _start(self) -> "subprocess.Popen[bytes]":
        listening = self._socket.fileno() if self._socket else -1
        # It is given the master's PID: by the time it asks for its parent, the master may have ended.
        command = [sys.executable, "-m", "config.serving.listener", str(listening), self._folder, str(os.getpid())]
        environ = metric_files.environment_without()
        # It would hide the release from `-m`; gunicorn finds that in any case.
        environ.pop("PYTHONSAFEPATH", None)
        # Of the master's signals, which may be sent to all its processes, SIGTERM (drain) and Ctrl-C stay blocked
        # until it has handlers, and the others for good: they would end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, Arbiter.SIGNALS)
        try:
            return subprocess.Popen(  # noqa: S603 - our own command line
                command, cwd=_ROOT, env=environ, pass_fds=[listening], stdin=subprocess.DEVNULL
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _manage(self, manage_workers: partial[None]) -> None:
        # The master calls this at least once a second.
        if self._workers_are_started:
            self.keep()
        self._workers_are_started = True
        self._tell()
        manage_workers()

    def _tell(self) -> None:
        """Write, for the listener, how many workers there should be: SIGTTIN and SIGTTOU change that."""
        wanted = f"{self._server.num_workers}".encode()
        # The memory is full, or the folder has been removed: then the next turn tries again.
        with suppress(OSError):
            # Not every time: while it is written, the listener may find it empty.
            if not self._wanted.exists() or self._wanted.read_bytes() != wanted:
                self._wanted.write_bytes(wanted)

    def _drain(self, stop: Callable[..., None], graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        # The master calls this on every signal to stop, and when workers cannot start. The listener may have to be
        # started or restarted: nothing will do so from now on, not even in a second.
        self._next_start = 0.0
        self.keep()
        if self._process is not None:
            self._process.terminate()
        stop(graceful)
