"""Who is measured: the service, and what a good engineer might have written instead."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.people import AUDIENCE, ISSUER, SECRET

ROOT = Path(__file__).resolve().parents[2]
RIVALS = ROOT / ".venv" / "bench" / "bin"
# No user of a measurement asks so often, and a record has the size that it has with the default limit.
LIMIT = "30 per second"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how to serve."""

    port: int
    folder: Path
    workers: int = 1
    # The default. With 8 or 16 a send takes as much CPU, but then there are fewer places than connections.
    threads: int = 32
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def stretches(self) -> Path:
        """Where one that alternates tells what it answered when."""
        return self.folder / "stretches"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to be measured. One that `keeps_promises` answers X-Send-Outcome; `asks` is what callers ask it."""

    key: str
    title: str
    command: Callable[[Place], Sequence[str]]
    keeps_promises: bool = False
    finds_accounts: bool = False
    asks: str = "POST"
    environ: Mapping[str, str] = field(default_factory=dict)


def environ(place: Place, stub: int, valkey: Path) -> dict[str, str]:
    """The settings, those of the service and those of the rivals."""
    return {
        "PATH": "/usr/bin:/bin",
        "JWT_ALGORITHMS": "HS256",
        "JWT_SECRET": SECRET,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "ACCOUNT_SERVICE_URL": f"http://127.0.0.1:{stub}/accounts",
        "CHAT_SERVICE_URL": f"http://127.0.0.1:{stub}/0/chat",
        "RATE_LIMIT": LIMIT,
        "STORE_URL": f"sqlite:///{place.folder}/state.sqlite3",
        "WEB_CONCURRENCY": str(place.workers),
        "THREADS": str(place.threads),
        "BIND": f"127.0.0.1:{place.port}",
        "VALKEY_SOCKET": str(valkey),
        "STRETCHES": str(place.stretches),
        **place.environ,
    }


def _service(application: str) -> Callable[[Place], Sequence[str]]:
    return lambda _: (sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", application)


def _flask(application: str) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        options = ["--worker-class", "gthread", "--bind", f"127.0.0.1:{place.port}"]
        options += ["--workers", str(place.workers), "--threads", str(place.threads), "--keep-alive", "60"]
        return (str(RIVALS / "gunicorn"), *options, f"tests.bench.rivals.{application}")

    return command


def _fastapi(application: str) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        options += ["--host", "127.0.0.1", "--port", str(place.port), "--workers", str(place.workers)]
        return (str(RIVALS / "uvicorn"), *options, f"tests.bench.rivals.{application}")

    return command


SERVICE = Contender("service", "this service", _service("wsgi:app"), keeps_promises=True, finds_accounts=True)
ALTERNATING = Contender(
    "alternating",
    "this service, half of the time without logs and metrics",
    _service("tests.bench.quiet:app"),
    keeps_promises=True,
    finds_accounts=True,
)
PASS_THROUGH = Contender("pass_through", "Flask + Session, checks nothing", _flask("plain:app"))
HTTPX = Contender("httpx", "FastAPI + httpx, bare", _fastapi("over_httpx:app"))
HTTPX_SAME = Contender(
    "httpx_same",
    "FastAPI + httpx, same promises",
    _fastapi("over_httpx:app_with_promises"),
    keeps_promises=True,
    finds_accounts=True,
)
AIOHTTP = Contender("aiohttp", "FastAPI + aiohttp, bare", _fastapi("over_aiohttp:app"))
AIOHTTP_SAME = Contender(
    "aiohttp_same",
    "FastAPI + aiohttp, same promises",
    _fastapi("over_aiohttp:app_with_promises"),
    keeps_promises=True,
    finds_accounts=True,
)
USUAL = Contender("usual", "Flask as usually written", _flask("usual:app"), finds_accounts=True)
HELLO = Contender("hello", "Flask, hello world", _flask("plain:app"), asks="GET")

EVERYBODY = (SERVICE, PASS_THROUGH, HTTPX, HTTPX_SAME, AIOHTTP, AIOHTTP_SAME, USUAL, HELLO)
TITLES = {contender.key: contender.title for contender in EVERYBODY}
