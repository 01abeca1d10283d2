"""One log line a request."""

import logging
import time

from flask import Flask, Response, request

from app.web.state import state

logger = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Log every answer of the application."""
    app.after_request(_log)


def _log(response: Response) -> Response:
    known = state()
    logger.info(
        "request",
        extra={
            "request_id": known.correlation.request_id,
            "trace_id": known.correlation.traceparent.split("-")[1],
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "status": response.status_code,
            "code": known.error.code if known.error else None,
            "send_outcome": known.outcome,
            # A hash is enough to follow one user through the log, and does not say who it is.
            "user": known.user.digest if known.user else None,
            "duration_ms": round((time.monotonic() - known.started) * 1000, 2),
        },
    )
    return response
