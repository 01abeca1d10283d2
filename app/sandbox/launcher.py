"""Running the service and its stand-ins with one command, on loopback, until a signal stops them."""

import ctypes
import fcntl
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from werkzeug.serving import make_server

from app.sandbox.calls import Call, SandboxError, announce, as_curl, command, reference_page
from app.sandbox.credentials import AUDIENCE, ISSUER, key_file
from app.sandbox.services import create_sandbox
from config.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICE = (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app")
READY_SECONDS = 30
# Slightly more than the service's graceful timeout.
STOP_SECONDS = 31
PR_SET_PDEATHSIG = 1
# Prefixes of variables that the developer may have set for this or another service; they are not passed on.
FOREIGN = (*(setting.name.upper() for setting in fields(Settings)), "GUNICORN_", "FLASK_")
WELCOME = """\
The service listens on http://127.0.0.1:{port}/v1; what it sends stays in a sandbox on this machine.
Try it in a browser, with Jane Doe's token for 12 hours:

{reference}

Watch the messages arrive: {inbox}
Or send one with this line:

{curl}

In another terminal:
  {send}     sends one more and shows the answer
  {curls}    prints a line of curl for each answer it can give
The messages that arrived: {var}/sandbox.sqlite3   Log: {var}/service.log   Ctrl-C stops everything."""


def run(var: Path, port: int, changed: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run the stand-ins and the service on `port` until SIGINT, SIGTERM or SIGHUP; leaves no process behind.

    `changed` overrides the sandbox's settings of the service. Raises SandboxError.
    """
    os.umask(0o077)
    # Signal handlers do not raise, so that none interrupts the shutdown of the service.
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: stopping.append(number))
    key, log = key_file(var), var / "service.log"
    # Hides the access log; errors in a stand-in are shown.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with ExitStack() as stack:
        stack.enter_context(alone(var))
        with held(port):
            stand_ins = make_server("127.0.0.1", 0, create_sandbox(var, port), threaded=True)
            env = environment(os.environ, {**settings(key, port, stand_ins.port), **changed})
        service = start(SERVICE, log, env)
        stack.callback(stop, service)
        # After the fork, which is safe only while there is a single thread.
        threading.Thread(target=stand_ins.serve_forever, daemon=True).start()
        deadline = time.monotonic() + READY_SECONDS
        while not stopping and not ready(port):
            watch(service, log)
            if time.monotonic() > deadline:
                raise SandboxError(f"The service is not ready after {READY_SECONDS} s; see {log}.")
        if not stopping:
            stack.callback(announce(var, port).unlink, missing_ok=True)
            say(welcome(var, port, stand_ins.port))
        while not stopping:
            watch(service, log)


@contextmanager
def held(port: int) -> Iterator[None]:
    """Hold `port` while others are chosen, so that none is the same; raises SandboxError if it cannot be bound."""
    try:
        holder = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SandboxError(
            f"Port {port} cannot be used ({why}): choose another, as in make run PORT=8123."
        ) from None
    with holder:
        yield


@contextmanager
def alone(var: Path) -> Iterator[None]:
    """Lock the folder against other sandboxes; raises SandboxError if one runs there."""
    with (var / "sandbox.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                f"A sandbox runs in the folder {var} already: stop it with Ctrl-C, "
                f"or start a second one with {command(Path('var2'), 'run --port 8123')}"
            ) from None
        yield


def settings(key: Path, port: int, sandbox_port: int) -> dict[str, str]:
    """Return the settings of the service, whose store is a file next to the key."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        metrics_port = probe.getsockname()[1]
    return {
        "JWT_ALGORITHMS": "HS256",
        "JWT_SECRET_FILE": str(key.resolve()),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "ACCOUNT_SERVICE_URL": f"http://127.0.0.1:{sandbox_port}/accounts",
        "CHAT_SERVICE_URL": f"http://127.0.0.1:{sandbox_port}/chat",
        "STORE_URL": f"sqlite:///{quote(str(key.resolve().with_name('state.sqlite3')))}",
        "BIND": f"127.0.0.1:{port}",
        "METRICS_BIND": f"127.0.0.1:{metrics_port}",
        "WEB_CONCURRENCY": "2",
    }


def environment(own: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the service: `own` without the FOREIGN variables, plus `added`."""
    return {**{name: value for name, value in own.items() if not name.startswith(FOREIGN)}, **added}


def start(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process at the repository's root, in a new session: Ctrl-C reaches it only through the launcher.

    On Linux it gets SIGTERM when the launcher is killed (prctl(2)). `log` is truncated.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: None
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509 - single-threaded at this point
        )


def stop(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """Send SIGTERM; when it has ended, or after `seconds`, send SIGKILL to what is left of its process group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def watch(service: subprocess.Popen[bytes], log: Path) -> None:
    """Sleep for 0.1 s; raise SandboxError if the service has ended."""
    time.sleep(0.1)
    if service.poll() is not None:
        ended = f"The service ended by itself (exit {service.returncode}); see {log}."
        raise SandboxError("\n".join([ended, *told(log)]))


def told(log: Path) -> list[str]:
    """Return the distinct lines of a log that are not JSON: the reasons for a failed start are plain text."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("{")))


def ready(port: int) -> bool:
    """Return whether the service reports that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with suppress(OSError, http.client.HTTPException), closing(connection):
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == HTTPStatus.OK
    return False


def welcome(var: Path, port: int, sandbox_port: int) -> str:
    """Return the text for the developer; exactly one line of it begins with curl."""
    return WELCOME.format(
        reference=reference_page(var, port),
        inbox=f"http://127.0.0.1:{sandbox_port}/",
        curl=as_curl(Call(), var, port),
        send=command(var, "send"),
        curls=command(var, "curls"),
        port=port,
        var=var,
    )
