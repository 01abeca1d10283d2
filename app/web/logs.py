"""One log line a request: who asked, what became of it, why, and where the time went."""

import logging
import os
import re
import time
from typing import Any

from flask import Request, Response

from app.web.metrics import account_of, exchange_with, reason_of
from app.web.state import RequestState

logger = logging.getLogger(__name__)

_SERVER_ERROR = 500
# Whatever proxies claim, nothing else comes into the log.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


def log(request: Request, route: str | None, known: RequestState, response: Response) -> None:
    """Write the line of one answer: a warning where the fault is not the caller's."""
    level = logging.INFO if response.status_code < _SERVER_ERROR else logging.WARNING
    if logger.isEnabledFor(level):
        # logger.log would look for its caller on the stack, and at each fact: 10 µs that nobody needs.
        record = logging.LogRecord(logger.name, level, "", 0, "request", (), None)
        record.facts = _facts(request, route, known, response)
        logger.handle(record)


def _facts(request: Request, route: str | None, known: RequestState, response: Response) -> dict[str, Any]:
    correlation = known.correlation
    _, trace_id, span_id, _ = correlation.traceparent.split("-")
    return {
        # Whatever a route calls its ids, they do not take the place of what follows.
        **known.ids,
        "request_id": correlation.request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "code": known.error.code if known.error else None,
        "send_outcome": known.outcome,
        "reason": reason_of(known),
        # A hash is enough to follow one user through the log, and does not say who it is.
        "user": known.user.digest if known.user else None,
        "client": _client(request),
        **{f"{stage}_ms": round(seconds * 1000, 2) for stage, seconds in known.stages.items()},
        "cpu_ms": round((time.thread_time() - known.started_cpu) * 1000, 2),
        "bytes_in": request.content_length or 0,
        "bytes_out": response.content_length,
        **_found(known),
        "worker": os.getpid(),
    }


def _found(known: RequestState) -> dict[str, Any]:
    """What the stages found, as far as the request came."""
    found: dict[str, Any] = {}
    if known.decision:
        found["limit"] = "admitted" if known.decision.admitted else "refused"
        found["store"] = "shared" if known.decision.shared else "local"
    if account := account_of(known):
        found["account"] = account
    if known.key:
        found["idempotency_key"], found["replayed"] = known.key, known.is_replayed
    if exchanged := exchange_with("chat", known):
        found["attempts"] = exchanged.attempts
    return found


def _client(request: Request) -> str | None:
    address = request.remote_addr or ""
    return address if _ADDRESS.fullmatch(address) else None
