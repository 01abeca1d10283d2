"""One command that runs the service with all it needs, on loopback, until it is told to stop."""

import http.client
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path

from app.sandbox.announcement import announced
from app.sandbox.calls import Call, as_curl
from app.sandbox.children import Child, StopSignals
from app.sandbox.credentials import AUDIENCE, ISSUER, key_file

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30
# What the developer has set for this or another service has no business here.
FOREIGN = (
    *("JWT_", "ACCOUNT_", "CHAT_", "RATE_LIMIT", "STORE_", "BREAKER_", "MAX_BODY_", "BIND", "METRICS_"),
    *("WEB_CONCURRENCY", "THREADS", "TRUSTED_PROXIES", "LOG_LEVEL", "GUNICORN_", "FLASK_"),
)
WELCOME = """\
The service listens on http://127.0.0.1:{port}; what it sends stays in a sandbox on this machine.
Send a message with this line (its token is Jane Doe's, for 12 hours):

{curl}

In another terminal:
  {send}     sends one more and shows the answer
  {curls}    prints a line of curl for each answer it can give
The messages that arrived: {inbox}   Logs: {logs}   Ctrl-C stops everything."""


class LaunchError(Exception):
    """The service cannot be run, or ended by itself; its text is a sentence for the developer."""


def run(var: Path, port: int, say: Callable[[str], None]) -> None:
    """Run the stand-ins and the service on `port` until SIGINT, SIGTERM or SIGHUP; leaves no process behind.

    Raises LaunchError.
    """
    check_port(port)
    stopping = StopSignals()
    key = key_file(var)
    (var / "log").mkdir(exist_ok=True)
    sandbox_port, metrics_port = free_ports()
    with ExitStack() as stack:
        children = [
            start(stack, "sandbox", var, sandbox_options(var, sandbox_port), {}),
            start(stack, "service", var, SERVICE_OPTIONS, settings(key, port, sandbox_port, metrics_port)),
        ]
        deadline = time.monotonic() + READY_SECONDS
        while not stopping and not (answers(port, "/health/ready") and answers(sandbox_port, "/")):
            watch(children)
            if time.monotonic() > deadline:
                raise LaunchError(f"The service is not ready after {READY_SECONDS} s; see {var / 'log'}.")
        if not stopping:
            stack.enter_context(announced(var, port))
            say(welcome(var, port, sandbox_port))
        while not stopping:
            watch(children)


def check_port(port: int) -> None:
    """Raise LaunchError unless `port` can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LaunchError(
                f"Port {port} cannot be used ({error.strerror}): choose another, as in make run PORT=8123."
            ) from None


def free_ports() -> tuple[int, int]:
    """Two ports of loopback that nobody listens on now."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def sandbox_options(var: Path, port: int) -> tuple[str, ...]:
    """How gunicorn serves the stand-ins."""
    factory = f"app.sandbox.services:create_sandbox({str(var.resolve() / 'sandbox.sqlite3')!r})"
    return ("--bind", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "32", "--no-control-socket", factory)


SERVICE_OPTIONS = ("-c", "config/gunicorn.py", "wsgi:app")


def settings(key: Path, port: int, sandbox_port: int, metrics_port: int) -> dict[str, str]:
    """The settings of the service, whose state lies beside the key."""
    return {
        "JWT_ALGORITHMS": "HS256",
        "JWT_SECRET_FILE": str(key.resolve()),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "ACCOUNT_SERVICE_URL": f"http://127.0.0.1:{sandbox_port}/accounts",
        "CHAT_SERVICE_URL": f"http://127.0.0.1:{sandbox_port}/chat",
        "STORE_URL": f"sqlite:///{key.resolve().with_name('state.sqlite3')}",
        "BIND": f"127.0.0.1:{port}",
        "METRICS_BIND": f"127.0.0.1:{metrics_port}",
        "WEB_CONCURRENCY": "2",
    }


def environment(own: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: the launcher's own without what sets up a service, and what is added."""
    return {**{name: value for name, value in own.items() if not name.startswith(FOREIGN)}, **added}


def start(stack: ExitStack, name: str, var: Path, options: tuple[str, ...], added: Mapping[str, str]) -> Child:
    """Start a gunicorn in the repository; the stack ends it."""
    command = (sys.executable, "-m", "gunicorn", *options)
    child = Child(name, command, var / "log" / f"{name}.log", cwd=ROOT, env=environment(os.environ, added))
    stack.callback(child.stop)
    return child


def watch(children: list[Child]) -> None:
    """Let a tenth of a second pass; raise LaunchError if a child has ended."""
    time.sleep(0.1)
    for child in children:
        if child.exit_code is not None:
            raise LaunchError(f"The {child.name} ended by itself (exit {child.exit_code}); see {child.log}.")


def answers(port: int, page: str) -> bool:
    """Whether the page is there and answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", page)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def welcome(var: Path, port: int, sandbox_port: int) -> str:
    """What the developer reads; exactly one line of it begins with curl."""
    before, after = "make", ""
    if var != Path("var"):
        before = f"{shlex.quote(os.path.relpath(sys.executable))} -m app.sandbox"
        after = f" --var {shlex.quote(str(var))}"
    return WELCOME.format(
        port=port,
        curl=as_curl(Call(), var, port),
        send=f"{before} send{after}",
        curls=f"{before} curls{after}",
        inbox=f"http://127.0.0.1:{sandbox_port}/",
        logs=var / "log",
    )
