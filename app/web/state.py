"""The state of the current request.

It lives in the WSGI environment, which no other request can see: `flask.g` can outlive a request under a pushed
application context.
"""

import os
import re
import time
from dataclasses import dataclass, field
from typing import Any

from flask import Request, request
from opentelemetry import trace

from app.errors import Outcome, ServiceError
from app.idempotency import Attempt
from app.principals import User
from app.stores import Decision
from app.upstream.exchange import Correlation

# The name of the state in the environment.
STATE = "send_message.state"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# W3C Trace Context, section 3.2. Version 00 ends with the flags; later versions may be longer, and are read as 00.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
# Sampled and random; all other flags are passed on as zero.
_KNOWN_FLAGS = 0b11
# Section 3.3: at most 32 members and 512 characters; any other tracestate is dropped as a whole.
# Each run of white space can match in one place only: with two, the regex could backtrack excessively.
_MEMBER = r"[ \t]*(?:[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~][ \t]*)?"
_TRACESTATE = re.compile(rf"(?=.{{1,512}}\Z){_MEMBER}(?:,{_MEMBER}){{0,31}}")


class Stage:
    """Records in the stages of a request how long a `with` block takes, even if it fails."""

    __slots__ = ("_begun", "_name", "_stages")

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._stages[self._name] = time.monotonic() - self._begun


@dataclass(slots=True)
class RequestState:
    """State filled in on the way to the view, and read by the log and the metrics on the way back.

    `outcome` is what is proved about the message so far; None on routes that send nothing and before
    authentication. `ids` maps nouns such as `company` to canonical ids; `stages` has the seconds of each stage.
    `key` is the hash of the Idempotency-Key, `claim_error` the reason why it could not be claimed.
    """

    environ: dict[str, Any] = field(repr=False)
    started: float = field(default_factory=time.monotonic)
    started_cpu: float = field(default_factory=time.thread_time)
    stages: dict[str, float] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    user: User | None = None
    decision: Decision | None = None
    outcome: Outcome | None = None
    error: ServiceError | None = None
    key: str | None = None
    attempt: Attempt | None = None
    claim_error: ServiceError | None = None
    _correlation: Correlation | None = None

    @property
    def correlation(self) -> Correlation:
        """Created on first access: by then OpenTelemetry, if installed, has started its span."""
        if self._correlation is None:
            self._correlation = _correlation(self.environ)
        return self._correlation

    @property
    def is_replayed(self) -> bool:
        """Whether the response is that of an earlier request with the same key."""
        return self.attempt is not None and self.attempt.answer is not None


def current() -> Request:
    """Return the current request itself: each access through Flask's proxy takes three calls."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - documented method of LocalProxy
    return found


def current_state() -> RequestState:
    """Return the state of the current request."""
    state: RequestState = request._get_current_object().environ[STATE]  # type: ignore[attr-defined] # noqa: SLF001 - as above
    return state


def _correlation(environ: dict[str, Any]) -> Correlation:
    """Use the caller's request id and trace if they are well-formed, else new ones; the trace gets a new span."""
    # One system call for all ids: each one releases the GIL.
    made = os.urandom(40).hex()
    given = environ.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else made[:32]
    parent = _current_span() or _callers_trace(environ, trace_id=made[32:64], span_id=made[64:])
    return Correlation(request_id, *parent)


def _current_span() -> tuple[str, str | None] | None:
    """Return the traceparent and tracestate of OpenTelemetry's current span; None without an SDK."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    ids = f"{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}"
    return f"00-{ids}-{span.trace_flags:02x}", span.trace_state.to_header() or None


def _callers_trace(environ: dict[str, Any], *, trace_id: str, span_id: str) -> tuple[str, str | None]:
    """Return traceparent and tracestate with this span, in the caller's trace or else in `trace_id`."""
    given = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    if not given:
        return f"00-{trace_id}-{span_id}-00", None
    trace_id, flags = given.groups()
    tracestate = environ.get("HTTP_TRACESTATE", "")
    parent = f"00-{trace_id}-{span_id}-{int(flags, 16) & _KNOWN_FLAGS:02x}"
    return parent, tracestate if _TRACESTATE.fullmatch(tracestate) else None
