"""What an exchange sends, and what is noted of it."""

import contextlib
import json

import pytest

from app.upstream.breaker import Breaker
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NoAnswerError
from tests.unit.upstream.scripts import REFUSED, RESET, Script, exchange
from tests.wire import CHAT, reply


def test_the_request_is_sent_as_it_is_written() -> None:
    """The path is not normalised, the document is UTF-8 with its length, and our credential goes with it."""
    script = Script(reply(200))
    exchange(script, document={"a": "ü😀\0"}, headers={"Idempotency-Key": "1"})
    [request] = script.requests
    assert (request.method, request.url) == ("POST", f"{CHAT}/a/b%2Fc")
    assert request.body == r'{"a": "ü😀\u0000"}'.encode()
    assert {**request.headers} == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": "Bearer opaque",
        "Content-Length": str(len(request.body)),
        "Content-Type": "application/json",
        "Idempotency-Key": "1",
        "X-Request-ID": "1",
        "traceparent": "00-a-b-01",
    }


@pytest.mark.parametrize("document", [{}, [], "", 0, False])
def test_an_empty_document_is_a_document(document: object) -> None:
    """Only None means that there is no body."""
    script = Script(reply(200))
    exchange(script, document=document)
    assert script.requests[0].body == json.dumps(document).encode()


def test_no_document() -> None:
    """Then neither a body nor what would describe one."""
    script = Script(reply(200))
    exchange(script, document=None)
    assert script.requests[0].body is None
    assert not script.requests[0].headers.keys() & {"Content-Type", "Content-Length"}


def test_requests_share_nothing() -> None:
    """The headers of one request are not those of the next."""
    script = Script(reply(200), reply(200))
    service = Service(CHAT, token=None, timeout=8, transport=script, breaker=Breaker("chat", 20), slots=Slots(1))
    service.exchange("POST", "/", Correlation("1", "00-a-b-01"), document={}, headers={"Idempotency-Key": "1"})
    service.exchange("GET", "/", Correlation("2", "00-c-d-01"))
    assert {**script.requests[1].headers} == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "X-Request-ID": "2",
        "traceparent": "00-c-d-01",
    }


@pytest.mark.parametrize("tracestate", [None, "", "vendor=1"])
def test_correlation(tracestate: str | None) -> None:
    """The request id and the trace context, `tracestate` only if there is one (W3C Trace Context section 3.3)."""
    headers = Correlation("1", "00-a-b-01", tracestate).headers()
    state = {"tracestate": tracestate} if tracestate else {}
    assert headers == {"X-Request-ID": "1", "traceparent": "00-a-b-01", **state}


@pytest.mark.parametrize(("script", "attempts"), [(Script(REFUSED, reply(200)), 2), (Script(RESET), 1)])
def test_the_first_exchange_is_noted(script: Script, attempts: int) -> None:
    """With whom, in how many attempts and in what time, also one that failed: the log tells it."""
    correlation = Correlation("1", "00-a-b-01")
    with contextlib.suppress(NoAnswerError):
        exchange(script, correlation=correlation)
    exchange(Script(reply(200)), correlation=correlation)
    ((service, noted),) = correlation.exchanges.items()
    assert (service, noted.attempts) == ("chat", attempts)
    assert 0 < noted.seconds < 8
