"""One log line per request: the user, the result, its reason, and the time of each stage."""

import logging
import os
import re
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from flask import Request, Response

from app.web.labels import Labels
from app.web.state import RequestState

logger = logging.getLogger(__name__)

# Writes a log line with these fields and the current time.
Write = Callable[[dict[str, Any]], None]

_SERVER_ERROR = 500
# `int` rejects thousands of digits; such a Content-Length is rejected when the body is read.
_MOST_DIGITS = 18
# Nothing else is logged as an address, whatever proxies claim.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


def log(write: Write, labels: Labels, request: Request, state: RequestState, response: Response) -> None:
    """Write the log line of a response: a warning for a 5xx, which is not the caller's fault."""
    if logger.isEnabledFor(_level(labels)):
        write(_line(labels, request, state, response))


def _level(labels: Labels) -> int:
    return logging.INFO if labels.status < _SERVER_ERROR else logging.WARNING


@cache
def _words(labels: Labels) -> dict[str, Any]:
    """Return the fields that depend on the labels alone, cached: there are few combinations. Callers must copy."""
    words = {
        # Keeps the first position; the value is set when the line is written.
        "time": None,
        "level": logging.getLevelName(_level(labels)),
        "logger": logger.name,
        "event": "request",
        "route": labels.route,
        "status": labels.status,
        "code": labels.code,
        "send_outcome": labels.outcome,
        "reason": labels.reason,
    }
    found = {"limit": labels.decision, "store": labels.decider, "account": labels.lookup}
    return words | {name: word for name, word in found.items() if word}


def _line(labels: Labels, request: Request, state: RequestState, response: Response) -> dict[str, Any]:
    correlation, user = state.correlation, state.user
    _, trace_id, span_id, _ = correlation.traceparent.split("-")
    announced = request.environ.get("CONTENT_LENGTH", "")
    line = _words(labels) | {
        "request_id": correlation.request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": request.method,
        # A hash is enough to follow a user through the log without revealing who it is.
        "user": user.digest if user else None,
        "client": _client(request.remote_addr),
        "bytes_in": int(announced) if announced.isdecimal() and len(announced) <= _MOST_DIGITS else 0,
        "bytes_out": _length(response),
        "worker": os.getpid(),
    }
    times = state.stages | {"cpu": time.thread_time() - state.started_cpu}
    for stage, seconds in times.items():
        # Rounds to two decimals; `round` would convert to text and back.
        line[_in_ms(stage)] = int(seconds * 100_000 + 0.5) / 100
    if state.key:
        line["idempotency_key"], line["replayed"] = state.key, state.is_replayed
    if exchanged := correlation.exchanges.get("chat"):
        line["attempts"] = exchanged.attempts
    for noun, value in state.ids.items():
        # An id never replaces another field, whatever a route calls it.
        line.setdefault(noun, value)
    return line


@cache
def _in_ms(stage: str) -> str:
    """Return the field name of a stage's time; the cache stays small, as there are a handful of stages."""
    return f"{stage}_ms"


def _length(response: Response) -> int | None:
    """Return the length of the body: counted if it is in memory, else its Content-Length."""
    parts = response.response
    return sum(map(len, parts)) if isinstance(parts, list) else response.content_length


@lru_cache(maxsize=1024)
def _client(address: str | None) -> str | None:
    return address if address and _ADDRESS.fullmatch(address) else None
