"""One log line a request: who asked, what became of it, why, and where the time went."""

import logging
import os
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Request, Response

from app.web.metrics import account_of, reason_of
from app.web.state import RequestState

logger = logging.getLogger(__name__)

# Writes a line of the log of these facts, and the time with them.
Write = Callable[[dict[str, Any]], None]

_SERVER_ERROR = 500
# Python refuses to read numbers of thousands; what is announced so is refused by whoever reads the body.
_MOST_DIGITS = 18
# Whatever proxies claim, nothing else comes into the log.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


def log(write: Write, request: Request, route: str | None, known: RequestState, response: Response) -> None:
    """Write the line of one answer: a warning where the fault is not the caller's."""
    status = response.status_code
    level, name = (logging.INFO, "INFO") if status < _SERVER_ERROR else (logging.WARNING, "WARNING")
    if logger.isEnabledFor(level):
        write(_line(name, request, route, known, status, _length(response)))


def _line(
    level: str, request: Request, route: str | None, known: RequestState, status: int, length: int | None
) -> dict[str, Any]:
    correlation, error, user = known.correlation, known.error, known.user
    _, trace_id, span_id, _ = correlation.traceparent.split("-")
    announced = request.environ.get("CONTENT_LENGTH", "")
    line: dict[str, Any] = {
        # The first place is kept for it; it is told when the line is written.
        "time": None,
        "level": level,
        "logger": logger.name,
        "event": "request",
        "request_id": correlation.request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": request.method,
        "route": route,
        "status": status,
        "code": error.code if error else None,
        "send_outcome": known.outcome,
        "reason": reason_of(known),
        # A hash is enough to follow one user through the log, and does not say who it is.
        "user": user.digest if user else None,
        "client": _client(request),
        "cpu_ms": _milliseconds(time.thread_time() - known.started_cpu),
        "bytes_in": int(announced) if announced.isdecimal() and len(announced) <= _MOST_DIGITS else 0,
        "bytes_out": length,
        "worker": os.getpid(),
    }
    for stage, seconds in known.stages.items():
        line[_in_ms(stage)] = _milliseconds(seconds)
    _add_findings(line, known)
    for noun, value in known.ids.items():
        # Whatever a route calls its ids, they take the place of nothing.
        line.setdefault(noun, value)
    return line


def _milliseconds(seconds: float) -> float:
    """To two places; `round` would go by way of a text, seven times a line."""
    return int(seconds * 100_000 + 0.5) / 100


@cache
def _in_ms(stage: str) -> str:
    """The name of a stage's time. There are a handful of stages."""
    return f"{stage}_ms"


def _add_findings(line: dict[str, Any], known: RequestState) -> None:
    """What the stages found, as far as the request came."""
    if decision := known.decision:
        line["limit"] = "admitted" if decision.admitted else "refused"
        line["store"] = "shared" if decision.shared else "local"
    if account := account_of(known):
        line["account"] = account
    if known.key:
        line["idempotency_key"], line["replayed"] = known.key, known.is_replayed
    if exchanged := known.exchanged.get("chat"):
        line["attempts"] = exchanged.attempts


def _length(response: Response) -> int | None:
    """Of its body, where that is in memory."""
    parts = response.response
    return sum(map(len, parts)) if isinstance(parts, list) else response.content_length


def _client(request: Request) -> str | None:
    address = request.remote_addr or ""
    return address if _ADDRESS.fullmatch(address) else None
