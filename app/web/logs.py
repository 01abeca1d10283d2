"""One log line a request: who asked, what became of it, why, and where the time went."""

import logging
import os
import re
import time
from typing import Any

from flask import Request, Response
from werkzeug.wsgi import get_content_length

from app.web.metrics import account_of, reason_of
from app.web.state import RequestState

logger = logging.getLogger(__name__)

_SERVER_ERROR = 500
# What every record begins as: one for which nobody looked for its place, its thread and its process, as with
# `logging.logThreads` and its like. Made by its class it would take four times as long.
_NOWHERE = dict.fromkeys(("thread", "threadName", "process", "processName", "relativeCreated"))
_RECORD = vars(logging.LogRecord(logger.name, logging.INFO, "", 0, "request", (), None)) | _NOWHERE
# Whatever proxies claim, nothing else comes into the log.
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")


def log(request: Request, route: str | None, known: RequestState, response: Response) -> None:
    """Write the line of one answer: a warning where the fault is not the caller's."""
    level = logging.INFO if response.status_code < _SERVER_ERROR else logging.WARNING
    if logger.isEnabledFor(level):
        record = logging.LogRecord.__new__(logging.LogRecord)
        vars(record).update(_RECORD, levelno=level, levelname=logging.getLevelName(level), created=time.time())
        record.facts = _facts(request, route, known, response)
        logger.handle(record)


def _facts(request: Request, route: str | None, known: RequestState, response: Response) -> dict[str, Any]:
    correlation, error, user = known.correlation, known.error, known.user
    _, trace_id, span_id, _ = correlation.traceparent.split("-")
    # Whatever a route calls its ids, they do not take the place of what follows.
    facts: dict[str, Any] = known.ids | {
        "request_id": correlation.request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "code": error.code if error else None,
        "send_outcome": known.outcome,
        "reason": reason_of(known),
        # A hash is enough to follow one user through the log, and does not say who it is.
        "user": user.digest if user else None,
        "client": _client(request),
        "cpu_ms": round((time.thread_time() - known.started_cpu) * 1000, 2),
        "bytes_in": get_content_length(request.environ) or 0,
        "bytes_out": response.headers.get("Content-Length", type=int),
        "worker": os.getpid(),
    }
    for stage, seconds in known.stages.items():
        facts[f"{stage}_ms"] = round(seconds * 1000, 2)
    _add_findings(facts, known)
    return facts


def _add_findings(facts: dict[str, Any], known: RequestState) -> None:
    """What the stages found, as far as the request came."""
    if decision := known.decision:
        facts["limit"] = "admitted" if decision.admitted else "refused"
        facts["store"] = "shared" if decision.shared else "local"
    if account := account_of(known):
        facts["account"] = account
    if known.key:
        facts["idempotency_key"], facts["replayed"] = known.key, known.is_replayed
    if exchanged := known.exchanged.get("chat"):
        facts["attempts"] = exchanged.attempts


def _client(request: Request) -> str | None:
    address = request.remote_addr or ""
    return address if _ADDRESS.fullmatch(address) else None
