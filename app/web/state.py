"""What is known of the request under way.

It lives in the WSGI environment, which no other request can see: `flask.g` can outlive a request under a pushed
application context.
"""

import os
import re
import time
from dataclasses import dataclass, field

from flask import request

from app.errors import Outcome, ServiceError
from app.idempotency import Attempt
from app.principals import User
from app.stores import Decision
from app.upstream.exchange import Correlation

_KEY = "send_message.state"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# Version 00 of W3C Trace Context; later versions are read as 00 by the rules of section 4.3.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


@dataclass(slots=True)
class RequestState:
    """Filled in on the way to the view; read on the way back and by the log.

    `outcome` is what is proved of the message so far; None on routes that send nothing and before authentication.
    """

    correlation: Correlation
    started: float = field(default_factory=time.monotonic)
    user: User | None = None
    decision: Decision | None = None
    outcome: Outcome | None = None
    error: ServiceError | None = None
    attempt: Attempt | None = None


def state() -> RequestState:
    """The state of the current request, made when first asked for."""
    known: RequestState | None = request.environ.get(_KEY)
    if known is None:
        known = request.environ[_KEY] = RequestState(_correlation())
    return known


def verified_user() -> User:
    """The user of the current request; raises LookupError before they are known."""
    user = state().user
    if user is None:
        raise LookupError("The guard has not verified anybody.")
    return user


def _correlation() -> Correlation:
    """The caller's request id and trace if they are well-formed, else new ones; the trace gets a span of ours."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
    trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    trace_id, flags = trace.groups() if trace else (os.urandom(16).hex(), "00")
    tracestate = request.headers.get("tracestate", "") if trace else ""
    return Correlation(
        request_id,
        f"00-{trace_id}-{os.urandom(8).hex()}-{flags}",
        tracestate if _TRACESTATE.fullmatch(tracestate) else None,
    )
