"""Under OpenTelemetry a request is its span: of this the log tells, and the services behind get it as parent."""

import pytest
import requests
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from app.upstream.transport import NothingSentError
from tests.conftest import Caller
from tests.wire import Wire, reply

# What an SDK makes current before a request comes to the application.
SPAN = NonRecordingSpan(
    SpanContext(0xA1, 0xB2, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "1")]))
)
TRACEPARENT = f"00-{0xA1:032x}-{0xB2:016x}-01"
OTHER = {"traceparent": f"00-{'c' * 32}-{'d' * 16}-00", "tracestate": "c=1"}


@pytest.mark.parametrize("headers", [{}, OTHER], ids=["a new trace", "a caller's"])
def test_the_span_is_passed_on(caller: Caller, wire: Wire, headers: dict[str, str]) -> None:
    """OpenTelemetry has read the caller's trace; what it made of that is what counts."""
    with trace.use_span(SPAN):
        assert caller.send(headers=headers).status_code == 200
    told = [(request.headers["traceparent"], request.headers["tracestate"]) for request in wire.requests]
    assert told == [(TRACEPARENT, "a=1")] * 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(reply(503), "unknown"), (NothingSentError("refused"), "not_sent")],
    ids=["503", "refused"],
)
def test_failures_stay_what_they_are(
    caller: Caller, wire: Wire, answer: requests.Response | Exception, outcome: str
) -> None:
    """A span around them changes nothing."""
    wire.answer_chat = lambda *_: answer
    with trace.use_span(SPAN):
        assert caller.send().headers["X-Send-Outcome"] == outcome


def test_no_span_outlives_its_request(caller: Caller, wire: Wire) -> None:
    """The next one on the same thread has a trace of its own."""
    with trace.use_span(SPAN):
        caller.send()
    caller.send()
    assert "0" * 30 + "a1" not in wire.chats[-1].headers["traceparent"]
