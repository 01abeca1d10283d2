"""What goes to the chat service for one message, and what its status says of it."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.conversations import Conversations
from app.errors import (
    ChatServiceAuthError,
    ChatServiceBusyError,
    ChatServiceUnavailableError,
    ForbiddenError,
    InvalidConversationIdError,
    MessageRejectedError,
    SendOutcomeUnknownError,
    ServiceError,
)
from app.principals import Account
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.people import ACME, CONVERSATION
from tests.unit.services import GOOD, answering, behind, chat_service, correlation, failure, send
from tests.wire import CHAT, Wire

UNFORESEEN = (402, 405, 406, 408, 409, 410, 411, 414, 415, 418, 423, 425, 426, 431, 451, 499)
REDIRECTS = (300, 301, 302, 303, 304, 307, 308, 399)
REFUSALS: dict[int, type[ServiceError]] = {
    400: MessageRejectedError,
    401: ChatServiceAuthError,
    403: ForbiddenError,
    404: InvalidConversationIdError,
    413: MessageRejectedError,
    422: MessageRejectedError,
    429: ChatServiceBusyError,
    **dict.fromkeys(UNFORESEEN, ChatServiceUnavailableError),
    **dict.fromkeys((100, 199, *REDIRECTS, 500, 501, 502, 503, 504, 507, 599), SendOutcomeUnknownError),
}
LETTERS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("token", [None, "opaque"])
def test_what_is_sent(wire: Wire, token: str | None) -> None:
    """One POST of two fields, with the key, what ties it to the request, and our credential if there is one."""
    send(chat_service(wire, token))
    [request] = wire.requests
    assert (request.method, request.url) == ("POST", f"{CHAT}/send-message/{ACME}/{CONVERSATION}")
    assert request.body == '{"account_id": "account 7/ü", "message_body": "Hello"}'.encode()
    assert {**request.headers} == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Content-Length": str(len(request.body)),
        "Idempotency-Key": "key-1",
        "X-Request-ID": correlation().request_id,
        "traceparent": correlation().traceparent,
        "tracestate": "vendor=1",
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }


def test_no_tracestate(wire: Wire) -> None:
    """It is sent only when the caller sent one."""
    send(chat_service(wire, request=replace(correlation(), tracestate=None)))
    assert "tracestate" not in wire.requests[0].headers


@given(text=LETTERS, account_id=LETTERS)
def test_text_is_sent_as_it_is(text: str, account_id: str) -> None:
    """Every character, white space, control characters and combining ones included; nothing is normalised."""
    wire = Wire()
    message = send(chat_service(wire), text, Account(account_id, ACME, active=True, roles=frozenset()))
    body = wire.requests[0].body
    assert isinstance(body, bytes)
    assert json.loads(body.decode()) == {"account_id": account_id, "message_body": text}
    assert wire.requests[0].headers["Content-Length"] == str(len(body))
    assert message["body"] == text


@pytest.mark.parametrize("status", REFUSALS)
def test_refusal(status: int) -> None:
    """A 4xx is the chat service's word that it did not send; after any other answer nobody knows."""
    error = failure(answering(GOOD, status))
    assert type(error) is REFUSALS[status]
    assert error.outcome == ("not_sent" if 400 <= status < 500 else "unknown")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        *(
            ("1", 1),
            ("7", 7),
            ("60", 60),
            ("61", 60),
            ("3600", 60),
            ("9" * 5000, 60),
            ("0", 1),
            ("00", 1),
            ("007", 7),
        ),
        *(
            ("", 1),
            ("-5", 1),
            ("+5", 1),
            ("1.5", 1),
            ("5 s", 1),
            ("5, 7", 1),
            ("soon", 1),
            ("1e3", 1),
            ("\u0665", 1),
            ("²", 1),
        ),
        ("Wed, 21 Oct 2037 07:28:00 GMT", 60),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 99 Oct 2037 07:28:00 GMT", 1),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", 1),
    ],
)
def test_how_long_a_busy_service_waits(given: str, told: int) -> None:
    """Its Retry-After, seconds or a date, between 1 and 60 s; nonsense counts as 1."""
    assert failure(answering(status=429, Retry_After=given)).retry_after == told


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock on the wall is nine hours ahead of UTC."""
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
)
def test_a_busy_service_that_names_a_time(form: str) -> None:
    """Until then, not a second less: in each form of a date (RFC 9110 section 5.6.7), wherever the machine is."""
    until = int(time.time()) + 30
    wait = failure(answering(status=429, Retry_After=time.strftime(form, time.gmtime(until)))).retry_after
    assert wait is not None
    assert wait <= 30
    assert time.time() + wait >= until


def test_a_busy_service_that_does_not_say() -> None:
    """Without Retry-After a second is waited."""
    assert failure(answering(status=429)).retry_after == 1


def test_zeros_in_front_of_a_wait() -> None:
    """They are digits as well (RFC 9110 section 10.2.3)."""
    assert failure(answering(status=429, Retry_After="00060")).retry_after == 60


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """What the chat service logs."""
    logger, kept = logging.getLogger("app.chat.client"), Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept.records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(kept)


def test_an_unforeseen_refusal_is_logged(log: list[logging.LogRecord]) -> None:
    """It is a fault of ours that somebody has to look at; nothing that the service said is in the log."""
    error = failure(answering("canary", 409, X_Canary="canary"))
    [record] = log
    assert (record.levelname, vars(record)["upstream_status"]) == ("ERROR", 409)
    assert (vars(record)["request_id"], error.reason) == (correlation().request_id, "status_4xx")
    assert "canary" not in str([vars(record) for record in log])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        *((NothingSentError(reason), ChatServiceUnavailableError) for reason in ("refused", "dns", "tls")),
        *((NoAnswerError(reason), SendOutcomeUnknownError) for reason in ("deadline", "reset", "closed", "cut")),
    ],
    ids=str,
)
def test_no_answer(error: Exception, expected: type[ServiceError]) -> None:
    """Before the first byte a message is not sent; after it nobody knows, and it is never tried again."""
    ended = failure(lambda *_: error)
    assert (type(ended), ended.__cause__) == (expected, error)
    assert ended.outcome == ("not_sent" if expected is ChatServiceUnavailableError else "unknown")


def test_slots_are_given_back() -> None:
    """A send gives its slot back after every kind of end: the next one finds it."""
    wire = Wire()
    service = behind(wire)
    for answer in (
        answering(status=500),
        answering(status=400),
        lambda *_: NoAnswerError("reset"),
        answering(body=b""),
    ):
        wire.answer_chat = answer
        with pytest.raises(ServiceError):
            send(Conversations(service, ACME, correlation(), "key"))
    wire.answer_chat = answering(GOOD)
    assert send(Conversations(service, ACME, correlation(), "key")) == GOOD
