"""The callers: wrk with `load.lua`, and the tokens of as many users as are asked for."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.people import SECRET, claims

HERE = Path(__file__).parent


class BenchError(Exception):
    """What was measured would not be worth its name."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What callers saw: answers as promised a second, latencies in seconds; others are refused or lost."""

    good: int
    bad: int
    lost: int
    seconds: float
    p50: float
    p95: float
    p99: float
    mean: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask: so many connections for so long, of `users` users from the first-th on, in turn.

    `strict` raises BenchError for any answer but 200. A caller waits `pause` milliseconds after such a one, and
    `pace` milliseconds before each request.
    """

    connections: int = 16
    seconds: float = 4
    users: int = 400
    first: int = 0
    strict: bool = True
    pause: int = 0
    pace: int = 0
    method: str = "POST"


class Tokens:
    """A file with a token a line, all of one length, so that any part of it is found at once."""

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        lines = [_token(f"user-{number:07d}") for number in range(count)]
        self.width = len(lines[0]) + 1
        path.write_text("\n".join(lines) + "\n")

    def first(self) -> str:
        """The first user's."""
        with self.path.open() as lines:
            return next(lines).strip()


def _token(user: str) -> str:
    # PyJWT takes twenty times as long.
    now = int(time.time())
    body = _text(json.dumps(claims(user, exp=now + 86400, iat=now)).encode())
    signed = f"{_HEAD}.{body}"
    return f"{signed}.{_text(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_HEAD = _text(b'{"alg": "HS256", "typ": "JWT"}')


def burst(port: int, tokens: Tokens, plan: Plan, *, cores: str, checks_outcome: bool) -> Burst:
    """Ask a server on this port, from these cores.

    Raises BenchError if it was to be strict and there was an answer but 200, or none.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "TOKENS": str(tokens.path),
        "WIDTH": str(tokens.width),
        "FIRST": str(plan.first),
        "USERS": str(plan.users),
        "METHOD": plan.method,
        "PAUSE_MS": str(plan.pause),
        "PACE_MS": str(plan.pace),
        "CHECKS_OUTCOME": str(int(checks_outcome)),
    }
    command = ["taskset", "--cpu-list", cores, "wrk", "--threads", "1", "--connections", str(plan.connections)]
    command += ["--duration", f"{plan.seconds:.0f}", "--timeout", "30", "--script", str(HERE / "load.lua")]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], env=environ, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    times = {name: seen[name] / 1e6 for name in ("p50", "p95", "p99", "mean")}
    result = Burst(seen["good"], seen["bad"], seen["lost"], seen["seconds"], **times)
    if plan.strict and (result.bad or result.lost or not result.good):
        raise BenchError(f"{result.bad} answers were not 200, {result.lost} were lost, {result.good} good")
    return result
