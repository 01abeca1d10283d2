"""The service as it is deployed: real processes of a real WSGI server, with an environment of their own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.environs import REQUIRED, ROOT
from tests.system.clients import Connection, Request, ask
from tests.system.processes import (
    PATIENCE,
    ReservedPort,
    accepts,
    await_until,
    children,
    command_line,
    is_held_up,
    is_running,
    stopped,
)
from tests.system.standins import Services

BIN = Path(sys.executable).parent
# What systemd does between fork and exec (sd_listen_fds(3)).
_ACTIVATE = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
READY = Request("GET", "/health/ready")


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to serve the application; `arguments` makes the command line for a port.

    Where workers wait with epoll, a server has started when each of them accepts connections.
    """

    name: str
    arguments: Callable[[int], Sequence[str]]
    epoll: bool = False


def gunicorn(*options: str, application: str = "wsgi:app") -> Kind:
    """Our configuration under gunicorn, with further options."""
    command = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", *options, application)
    return Kind("gunicorn with our configuration", lambda _: command, epoll=True)


OURS = gunicorn()
# The application is made before the fork.
PRELOADED = gunicorn("--preload")
PLAIN = Kind(
    "gunicorn without configuration",
    lambda port: (f"{BIN}/gunicorn", "--bind", f"127.0.0.1:{port}", "wsgi:app"),
)
WAITRESS = Kind("waitress", lambda port: (f"{BIN}/waitress-serve", f"--listen=127.0.0.1:{port}", "wsgi:app"))


def inherited() -> dict[str, str]:
    """What a server gets of the tester's own environment: where programs are, and coverage's settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME"} or name.startswith(("COVERAGE_", "COV_"))
    }


def settings(services: Services, folder: Path) -> dict[str, str]:
    """Settings that start a service in front of these stand-ins, with times that a busy machine can keep."""
    return {
        **REQUIRED,
        "ACCOUNT_SERVICE_URL": services.account_url,
        "CHAT_SERVICE_URL": services.chat_url,
        "STORE_URL": f"sqlite:///{folder}/state.sqlite3",
        "ACCOUNT_TIMEOUT_SECONDS": "10",
        "CHAT_TIMEOUT_SECONDS": "10",
        "WEB_CONCURRENCY": "2",
    }


class Server:
    """One server in a session of its own. Its output goes to `folder/log`, its port stays its own until closed."""

    def __init__(self, folder: Path, environ: Mapping[str, str], kind: Kind = OURS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        self._reserved, self._reserved_for_metrics = ReservedPort(), ReservedPort()
        self.port, self.metrics_port = self._reserved.number, self._reserved_for_metrics.number
        self._kind = kind
        places = {"BIND": f"127.0.0.1:{self.port}", "METRICS_BIND": f"127.0.0.1:{self.metrics_port}"}
        self.environ = {**places, **inherited(), **environ}
        self._process: subprocess.Popen[bytes] | None = None
        self._held: socket.socket | None = None

    def hold(self) -> Self:
        """Listen in its place, as systemd does for a socket unit: while nothing runs, connections wait."""
        self._held = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        return self

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        command = self._kind.arguments(self.port)
        passed = [self._held.fileno()] if self._held else []
        if passed:
            command = (sys.executable, "-c", _ACTIVATE, str(passed[0]), *command)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                pass_fds=passed,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self, workers: int | None = None) -> Self:
        """Start the process and wait until all of its workers, as many as are set unless told, can answer."""
        self.launch()
        return self.await_start(workers)

    def await_start(self, workers: int | None = None) -> Self:
        """Wait until it can answer, as `start` does; several that are launched before start beside each other."""
        count = workers or int(self.environ["WEB_CONCURRENCY"])
        await_until(lambda: self._has_ended() or self._is_ready(count), lambda: f"not ready:\n{self.log}")
        assert not self._has_ended(), f"ended with {self.process.returncode}:\n{self.log}"
        return self

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The process that was started."""
        assert self._process is not None
        return self._process

    def pids(self) -> list[int]:
        """Its workers that run: forks of the process, which also has children that are other programs."""
        found = children(self.process.pid)
        await_until(lambda: not is_held_up(self.process.pid), lambda: f"does not go on:\n{self.log}")
        own = command_line(self.process.pid)
        return [pid for pid in found if is_running(pid) and command_line(pid) == own]

    def is_free(self) -> bool:
        """Whether nobody listens on its port."""
        return self._reserved.refuses()

    @property
    def log(self) -> str:
        """All that it wrote to standard output and error."""
        return self._log.read_text(encoding="utf-8")

    def log_lines(self) -> list[dict[str, Any]]:
        """The JSON lines of its log; other lines are left out."""
        # The last one may still be on its way.
        whole = self.log.rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole if line.startswith("{")]

    def events(self, beginning: str) -> list[dict[str, Any]]:
        """The lines of its log whose event begins so."""
        return [line for line in self.log_lines() if line["event"].startswith(beginning)]

    def booted(self) -> list[int]:
        """Its workers up to now, the oldest first, as its log has them."""
        return [int(line["event"].rpartition(" ")[2]) for line in self.events("Booting worker")]

    def await_booted(self, count: int) -> None:
        """Return when so many have been started up to now."""
        await_until(lambda: len(self.booted()) == count, lambda: f"not {count} workers:\n{self.log}")

    def await_events(self, beginning: str, count: int = 1, seconds: float = PATIENCE) -> None:
        """Return when its log has so many lines whose event begins so; fails after `seconds`."""
        await_until(
            lambda: len(self.events(beginning)) >= count,
            lambda: f"not {count} of {beginning!r}:\n{self.log}",
            seconds,
        )

    def connect_to(self, pid: int) -> Connection:
        """A connection that this worker holds, of all the workers."""
        with stopped(other for other in self.pids() if other != pid):
            connection = Connection(self.port)
            assert connection.ask(READY).status == 200
        return connection

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started, and to it alone."""
        self.process.send_signal(number)

    def renew(self) -> None:
        """SIGHUP, and wait until other workers have taken over from all that run now."""
        old, count = set(self.pids()), int(self.environ["WEB_CONCURRENCY"])
        self.signal(signal.SIGHUP)
        await_until(lambda: not old & set(self.pids()) and self.accept(count), lambda: f"as before:\n{self.log}")

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; fails when it has none within `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log}") from None

    def stop(self) -> int:
        """SIGTERM, then its exit code; what is left of all that it started is killed after PATIENCE."""
        try:
            if not self._has_ended():
                self.signal(signal.SIGTERM)
            return self.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self) -> None:
        """Stop it if it runs, and give its port away."""
        try:
            if self._process is not None:
                self.stop()
        finally:
            if self._held is not None:
                self._held.close()
            self._reserved.__exit__()
            self._reserved_for_metrics.__exit__()

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    def _is_ready(self, workers: int) -> bool:
        if self._kind.epoll and not self.accept(workers):
            return False
        return not self.is_free() and ask(self.port, READY).status == 200

    def accept(self, workers: int) -> bool:
        """Whether so many of its workers wait for connections, and all of them."""
        return sum(accepts(pid, self.port) for pid in self.pids()) == workers


@contextlib.contextmanager
def served(services: Services, kind: Kind = OURS, **changes: str) -> Iterator[Server]:
    """A server that runs until the end of the block, for tests that share one."""
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), {**settings(services, Path(name)), **changes}, kind)
        try:
            yield server.start()
        finally:
            server.close()
