"""How often a service is asked in one exchange, and within which time."""

import pytest
import requests

from app.upstream.breaker import Breaker
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.unit.upstream.scripts import REFUSED, RESET, Script, exchange
from tests.wire import CHAT, reply


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
