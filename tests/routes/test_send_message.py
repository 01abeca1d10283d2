"""The operation end to end, in process: what is sent, the limit, and the answer to each end of a send."""

import time
from collections.abc import Iterator

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError
from tests.conftest import Caller
from tests.people import ACME, CONVERSATION, GLOBEX
from tests.wire import Answer, Wire, reply, sent_message


def test_a_message_is_sent_and_the_answer_is_the_contracts(caller: Caller) -> None:
    """200 carries the fixed sentence and the nine fields; the limit's headers and the outcome are told."""
    answer = caller.send(json={"message_body": "Grüße — 🦩"})

    assert answer.status_code == 200
    assert answer.get_json() == {
        "message": "Message sent successfully!",
        "data": sent_message(CONVERSATION, "Grüße — 🦩"),
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Send-Outcome"] == "sent"
    assert answer.headers["X-RateLimit-Limit"] == "30"
    assert answer.headers["X-RateLimit-Remaining"] == "29"
    assert 55 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 62
    assert "Retry-After" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_the_chat_service_gets_the_account_and_the_text_and_nothing_else(caller: Caller, wire: Wire) -> None:
    """The caller's token, unknown fields and headers stay here; ids go out in lower case."""
    caller.send(
        company=ACME.upper(),
        conversation=CONVERSATION.upper(),
        json={"message_body": "Hi", "template_id": "t", "account_id": "account-of-somebody-else"},
        headers={"Cookie": "a=b", "X-Account-Id": "account-of-somebody-else"},
    )

    (request,) = wire.chats
    assert f"http://chat.test/api/send-message/{ACME}/{CONVERSATION}" == request.url
    assert request.body == b'{"account_id": "account-a1b2", "message_body": "Hi"}'
    assert {
        "Accept",
        "Accept-Encoding",
        "Content-Length",
        "Content-Type",
        "Idempotency-Key",
        "X-Request-ID",
        "traceparent",
    } == set(request.headers)


def test_the_thirty_first_request_of_a_window_is_refused(caller: Caller, wire: Wire) -> None:
    """30 per window, 29 to 0 remaining; then 429 with a Retry-After, not_sent, and nothing forwarded."""
    remaining = [caller.send().headers["X-RateLimit-Remaining"] for _ in range(30)]
    answer = caller.send()

    assert [str(left) for left in range(29, -1, -1)] == remaining
    assert answer.status_code == 429
    assert answer.get_json()["error"] == "Too many requests, please try again later"
    assert answer.get_json()["code"] == "RATE_LIMIT_EXCEEDED"
    assert answer.get_json()["send_outcome"] == "not_sent"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    # When the first of them leaves the window: these took no half a minute.
    assert 30 < int(answer.headers["Retry-After"]) <= 60
    assert len(wire.chats) == 30


def test_requests_that_are_refused_later_are_charged(caller: Caller) -> None:
    """400s count; so does everything else after authentication, in all companies together."""
    caller.send(company="x")
    caller.send(company=GLOBEX)
    caller.send(data=b"", content_type="application/json")

    assert caller.send().headers["X-RateLimit-Remaining"] == "26"


def test_forwarded_addresses_change_nothing_about_the_limit(caller: Caller) -> None:
    """The verified user pays, wherever the request says that it comes from."""
    remaining = {
        caller.send(headers={"X-Forwarded-For": f"10.0.0.{n}"}).headers["X-RateLimit-Remaining"] for n in range(5)
    }
    assert {"29", "28", "27", "26", "25"} == remaining


@pytest.mark.parametrize(
    ("answer", "status", "code", "outcome", "retry_after"),
    [
        (reply(400, {}), 400, "MESSAGE_REJECTED", "not_sent", None),
        (reply(401, {}), 500, "CHAT_SERVICE_AUTH", "not_sent", "60"),
        (reply(403, {}), 403, "FORBIDDEN", "not_sent", None),
        (reply(404, {}), 400, "INVALID_CONVERSATION_ID", "not_sent", None),
        (reply(409, {}), 500, "CHAT_SERVICE_UNAVAILABLE", "not_sent", "2"),
        (reply(413, {}), 400, "MESSAGE_REJECTED", "not_sent", None),
        (reply(422, {}), 400, "MESSAGE_REJECTED", "not_sent", None),
        (reply(429, {}, Retry_After="7"), 429, "CHAT_SERVICE_BUSY", "not_sent", "7"),
        (reply(307, {}, Location="http://elsewhere.test"), 500, "SEND_OUTCOME_UNKNOWN", "unknown", None),
        (reply(500, {}), 500, "SEND_OUTCOME_UNKNOWN", "unknown", None),
        (reply(503, {}, Retry_After="7"), 500, "SEND_OUTCOME_UNKNOWN", "unknown", None),
        (reply(200, {}), 500, "SEND_OUTCOME_UNKNOWN", "unknown", None),
        (NothingSentError("refused"), 500, "CHAT_SERVICE_UNAVAILABLE", "not_sent", "2"),
        (NoAnswerError("reset"), 500, "SEND_OUTCOME_UNKNOWN", "unknown", None),
        (ZeroDivisionError("canary"), 500, "INTERNAL_ERROR", "unknown", None),
    ],
)
def test_each_end_of_a_send_has_its_answer(
    caller: Caller,
    wire: Wire,
    answer: requests.Response | Exception,
    status: int,
    code: str,
    outcome: str,
    retry_after: str | None,
) -> None:
    """Status, code and outcome by what the chat service did; Retry-After only where nothing was sent."""
    wire.answer_chat = lambda *_: answer
    told = caller.send()

    assert (status, code, outcome, outcome, retry_after) == (
        told.status_code,
        told.get_json()["code"],
        told.headers["X-Send-Outcome"],
        told.get_json()["send_outcome"],
        told.headers.get("Retry-After"),
    )
    assert "canary" not in told.get_data(as_text=True)


def test_a_bug_before_the_send_may_be_repeated(caller: Caller, wire: Wire) -> None:
    """Nothing was sent, and the caller is told so and when to come again: a POST alone would leave that open."""
    wire.answer_accounts = lambda _: ZeroDivisionError("canary")
    told = caller.send()

    assert (told.status_code, told.get_json()["code"], told.headers["X-Send-Outcome"]) == (
        500,
        "INTERNAL_ERROR",
        "not_sent",
    )
    assert told.headers["Retry-After"] == "1"


def test_a_refused_connection_is_tried_once_more(caller: Caller, wire: Wire) -> None:
    """Nothing was sent, so the second attempt cannot be a duplicate."""
    answers: Iterator[Answer] = iter(
        [NothingSentError("refused"), reply(200, sent_message(CONVERSATION, "Hello"))]
    )
    wire.answer_chat = lambda *_: next(answers)

    assert caller.send().status_code == 200
    assert len(wire.chats) == 2


def test_a_lone_surrogate_in_the_chat_services_answer_is_no_error(caller: Caller, wire: Wire) -> None:
    """The message is sent: whatever its author is called, the answer is 200."""
    wire.answer_chat = lambda *_: reply(200, sent_message(CONVERSATION, "Hello", author="\ud800"))

    answer = caller.send()
    assert (answer.status_code, answer.get_json()["data"]["author"]) == (200, "\ud800")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405(caller: Caller, method: str) -> None:
    """With Allow, as JSON, for everybody."""
    answer = caller.client.open(f"/v1/send-message/{ACME}/{CONVERSATION}", method=method)

    assert (
        answer.status_code,
        answer.headers["Allow"],
        answer.headers["Content-Type"],
    ) == (405, "POST", "application/json")


@pytest.mark.parametrize(("user", "status"), [("a-member", 200), ("one-made-inactive", 403)])
def test_an_offer_to_upgrade_changes_nothing(caller: Caller, user: str, status: int) -> None:
    """It is declined by ignoring it (RFC 9110 section 7.8), with all checks and headers as usual."""
    answer = caller.send(user, headers={"Connection": "Upgrade", "Upgrade": "websocket"})

    assert answer.status_code == status
    assert answer.headers["X-RateLimit-Remaining"] == "29"
