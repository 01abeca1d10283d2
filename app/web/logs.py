"""One log line a request: who asked, what became of it, why, and where the time went."""

import logging
import os
import re
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from flask import Request, Response

from app.web.facts import Facts
from app.web.state import RequestState

logger = logging.getLogger(__name__)

# Writes a line of the log of these facts, and the time with them.
Write = Callable[[dict[str, Any]], None]

_SERVER_ERROR = 500
# Python refuses to read numbers of thousands; what is announced so is refused by whoever reads the body.
_MOST_DIGITS = 18
# Whatever proxies claim, nothing else comes into the log.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


def log(write: Write, facts: Facts, request: Request, known: RequestState, response: Response) -> None:
    """Write the line of one answer: a warning where the fault is not the caller's."""
    if logger.isEnabledFor(_level(facts)):
        write(_line(facts, request, known, response))


def _level(facts: Facts) -> int:
    return logging.INFO if facts.status < _SERVER_ERROR else logging.WARNING


@cache
def _words(facts: Facts) -> dict[str, Any]:
    """What is on the line wherever these are the facts, of which there are few; to be copied."""
    words = {
        # The first place is kept for it; it is told when the line is written.
        "time": None,
        "level": logging.getLevelName(_level(facts)),
        "logger": logger.name,
        "event": "request",
        "route": facts.route,
        "status": facts.status,
        "code": facts.code,
        "send_outcome": facts.outcome,
        "reason": facts.reason,
    }
    found = {"limit": facts.decision, "store": facts.decider, "account": facts.lookup}
    return words | {name: word for name, word in found.items() if word}


def _line(facts: Facts, request: Request, known: RequestState, response: Response) -> dict[str, Any]:
    correlation, user = known.correlation, known.user
    _, trace_id, span_id, _ = correlation.traceparent.split("-")
    announced = request.environ.get("CONTENT_LENGTH", "")
    line = _words(facts) | {
        "request_id": correlation.request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": request.method,
        # A hash is enough to follow one user through the log, and does not say who it is.
        "user": user.digest if user else None,
        "client": _client(request.remote_addr),
        "bytes_in": int(announced) if announced.isdecimal() and len(announced) <= _MOST_DIGITS else 0,
        "bytes_out": _length(response),
        "worker": os.getpid(),
    }
    times = known.stages | {"cpu": time.thread_time() - known.started_cpu}
    for stage, seconds in times.items():
        # To two places; `round` would go by way of a text.
        line[_in_ms(stage)] = int(seconds * 100_000 + 0.5) / 100
    if known.key:
        line["idempotency_key"], line["replayed"] = known.key, known.is_replayed
    if exchanged := known.exchanges.get("chat"):
        line["attempts"] = exchanged.attempts
    for noun, value in known.ids.items():
        # Whatever a route calls its ids, they take the place of nothing.
        line.setdefault(noun, value)
    return line


@cache
def _in_ms(stage: str) -> str:
    """The name of a stage's time. There are a handful of stages."""
    return f"{stage}_ms"


def _length(response: Response) -> int | None:
    """Of its body, where that is in memory."""
    parts = response.response
    return sum(map(len, parts)) if isinstance(parts, list) else response.content_length


@lru_cache(maxsize=1024)
def _client(address: str | None) -> str | None:
    return address if address and _ADDRESS.fullmatch(address) else None
