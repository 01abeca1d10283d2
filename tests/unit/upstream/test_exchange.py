"""One exchange with a service: what is sent, how often, and within which time."""

import contextlib
import json
from typing import Any

import pytest
import requests

from app.upstream.breaker import Breaker
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.wire import CHAT, reply

REFUSED, RESET = NothingSentError("refused"), NoAnswerError("reset")


class Script:
    """A transport whose answers are written down; it keeps what it was given and how long it had."""

    def __init__(self, *answers: requests.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[requests.PreparedRequest] = []
        self.timeouts: list[float] = []

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Give the next answer."""
        self.requests.append(request)
        self.timeouts.append(timeout)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def exchange(
    script: Script,
    *,
    timeout: float = 8,
    threshold: int = 20,
    **given: Any,
) -> requests.Response:
    """One exchange with a service of this transport."""
    service = Service(
        CHAT, token="opaque", timeout=timeout, transport=script, breaker=Breaker("chat", threshold), slots=Slots(1)
    )
    return service.exchange(
        **{
            "method": "POST",
            "path": "/a/b%2Fc",
            "correlation": Correlation("1", "00-a-b-01"),
            "document": {},
            **given,
        }
    )


@pytest.mark.parametrize("status", [100, 200, 204, 302, 404, 429, 500, 503])
def test_every_answer_is_an_answer(status: int) -> None:
    """Whatever its status, it is handed on and not asked for again."""
    script = Script(reply(status))
    assert exchange(script).status_code == status
    assert len(script.requests) == 1


@pytest.mark.parametrize("reason", ["dns", "refused", "reset", "tls", "unreachable"])
def test_tried_again_before_the_first_byte(reason: str) -> None:
    """Once, with the same request, when nothing of it was sent."""
    script = Script(NothingSentError(reason), reply(200))
    assert exchange(script, document={"a": 1}).status_code == 200
    first, second = script.requests
    assert (first.body, first.headers) == (second.body, second.headers)


@pytest.mark.parametrize("reason", ["connect_timeout", "malformed"])
def test_what_would_be_in_vain_is_not_repeated(reason: str) -> None:
    """Nobody answered TCP's own repetition, or the request cannot be written; the caller is told at once."""
    script = Script(NothingSentError(reason), reply(200))
    with pytest.raises(NothingSentError, match=reason):
        exchange(script)
    assert len(script.requests) == 1


def test_tried_again_only_once() -> None:
    """The second failure is the answer."""
    script = Script(REFUSED, NothingSentError("dns"), reply(200))
    with pytest.raises(NothingSentError, match="dns"):
        exchange(script)
    assert len(script.requests) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("reason", ["deadline", "reset", "closed", "cut", "malformed", "too_large", "broken"])
def test_never_tried_again_after_the_first_byte(method: str, reason: str) -> None:
    """It may have been heard."""
    script = Script(NoAnswerError(reason), reply(200))
    with pytest.raises(NoAnswerError, match=reason):
        exchange(script, method=method)
    assert len(script.requests) == 1


@pytest.mark.parametrize("failures", [[RESET], [RESET, RESET], [REFUSED, RESET], [RESET, REFUSED]])
def test_a_question_is_asked_a_second_time(failures: list[Exception]) -> None:
    """A GET does nothing, so it is tried again even if it was heard; the second failure is the answer."""
    script = Script(*failures, reply(200))
    if len(failures) == 1:
        assert exchange(script, method="GET", document=None).status_code == 200
    else:
        with pytest.raises(type(failures[1])):
            exchange(script, method="GET", document=None)
    assert len(script.requests) == 2


def test_not_tried_a_third_time_after_the_first_byte() -> None:
    """The second attempt is held to the same."""
    script = Script(REFUSED, RESET, reply(200))
    with pytest.raises(NoAnswerError):
        exchange(script)
    assert len(script.requests) == 2


@pytest.mark.parametrize("error", [ValueError, TypeError, OSError, requests.Timeout, requests.ConnectionError])
def test_nothing_else_is_tried_again(error: type[Exception]) -> None:
    """Only the transport's proof counts, not what looks like a failure to connect."""
    script = Script(error(), reply(200))
    with pytest.raises(error):
        exchange(script)
    assert len(script.requests) == 1


def test_the_time_is_a_total() -> None:
    """The second attempt gets what the first and the pause left."""
    script = Script(REFUSED, reply(200))
    exchange(script, timeout=8)
    first, second = script.timeouts
    assert 0 < second <= first - 0.05 < first <= 8


@pytest.mark.parametrize("timeout", [0.01, 0.05])
def test_no_time_left_to_try_again(timeout: float) -> None:
    """Where the pause, at least 50 ms, would pass the deadline, the first failure is the answer."""
    script = Script(REFUSED, reply(200))
    with pytest.raises(NothingSentError, match="refused"):
        exchange(script, timeout=timeout)
    assert len(script.requests) == 1


def test_not_tried_again_by_an_open_circuit() -> None:
    """The failure that opens the circuit is not followed by another attempt."""
    script = Script(REFUSED, reply(200))
    with pytest.raises(NothingSentError, match="refused"):
        exchange(script, threshold=1)
    assert len(script.requests) == 1


def test_an_open_circuit_costs_nothing() -> None:
    """Neither an attempt nor a pause: the transport is not asked at all."""
    script = Script(REFUSED)
    service = Service(
        CHAT, token=None, timeout=8, transport=script, breaker=Breaker("chat", 1, clock=lambda: 0), slots=Slots(1)
    )
    for reason in ("refused", "circuit_open", "circuit_open"):
        with pytest.raises(NothingSentError, match=reason):
            service.exchange("GET", "/", Correlation("1", "00-a-b-01"))
    assert len(script.requests) == 1


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
