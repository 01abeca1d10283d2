"""The operation end to end, in process: the order of its checks, its texts, codes and headers."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError
from tests.conftest import Caller
from tests.people import ACME, AUDIENCE, CONVERSATION, GLOBEX, NOWHERE, token
from tests.wire import Answer, Wire, reply, sent_message

MISSING = "conversation_id, account_id, and message_body must be provided!"
BAD_IDS = (
    "a1b2c3d4e5f67890abcdef1234567890",
    "{a1b2c3d4-e5f6-7890-abcd-ef1234567890}",
    "urn:uuid:a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    " a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890%0A",
    "a1b2c3d4-e5f6-7890-abcd-ef123456789",
    "a1b2c3d4-e5f6-7890-abcd-ef12345678901",
    "a1b2c3d4-e5f67890-abcd-ef-1234567890",
    "g1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661-e5f6-7890-abcd-ef1234567890",
    "\uff41\uff11b2c3d4-e5f6-7890-abcd-ef1234567890",
    "0xa1b2c3-e5f6-7890-abcd-ef1234567890",
    "..",
    "null",
)


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


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token abc",
    ],
)
def test_without_a_bearer_token_the_challenge_names_no_error(
    caller: Caller, wire: Wire, header: str | None
) -> None:
    """RFC 6750 section 3.1: no error code when no token was presented; and nothing is asked or counted."""
    headers = {} if header is None else {"Authorization": header}
    answer = caller.client.post(f"/v1/send-message/{ACME}/{CONVERSATION}", headers=headers, json={})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API"'
    assert answer.get_json()["error"] == "Unauthorized access"
    assert answer.get_json()["code"] == "UNAUTHORIZED"
    assert not {"X-Send-Outcome", "X-RateLimit-Limit", "Retry-After"} & set(answer.headers.keys())
    assert wire.requests == []


@pytest.mark.parametrize(
    "header",
    ["Bearer x", "Bearer a.b.c", "bearer a b", f"Bearer {token()} {token()}", f"Bearer {token()},{token()}"],
)
def test_a_bad_token_is_told_as_such_and_nothing_more(caller: Caller, wire: Wire, header: str) -> None:
    """The challenge says invalid_token; the body does not say what is wrong."""
    answer = caller.send(headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API", error="invalid_token"'
    assert wire.requests == []


@pytest.mark.parametrize("scheme", ["bEARER ", "Bearer   "])
def test_the_scheme_of_the_token_is_read_in_any_case(caller: Caller, scheme: str) -> None:
    """Authentication schemes are case-insensitive, and any number of spaces follows (RFC 9110 section 11)."""
    assert caller.send(headers={"Authorization": scheme + token()}).status_code == 200


def test_bad_tokens_touch_nobodys_budget(caller: Caller) -> None:
    """40 refused requests later the user has a full window."""
    for _ in range(40):
        caller.send(headers={"Authorization": f"Bearer {token(aud=AUDIENCE + 'x')}"})

    assert caller.send().headers["X-RateLimit-Remaining"] == "29"


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


@pytest.mark.parametrize("spelling", BAD_IDS)
@pytest.mark.parametrize(
    ("part", "sentence", "code"),
    [
        ("company", "Invalid company ID", "INVALID_COMPANY_ID"),
        ("conversation", "Invalid conversation ID", "INVALID_CONVERSATION_ID"),
    ],
)
def test_only_one_spelling_of_an_id_is_taken(
    caller: Caller, wire: Wire, spelling: str, part: str, sentence: str, code: str
) -> None:
    """ASCII 8-4-4-4-12 hexadecimal digits; every other spelling is 400 before anybody is asked."""
    answer = caller.send(company=spelling) if part == "company" else caller.send(conversation=spelling)

    assert answer.status_code == 400
    body = answer.get_json()
    assert (sentence, code, "failure", "not_sent") == (
        body["error"],
        body["code"],
        body["status"],
        body["send_outcome"],
    )
    assert wire.requests == []


def test_the_company_id_is_judged_before_the_conversation_id(caller: Caller) -> None:
    """Both wrong: the answer is about the company."""
    assert caller.send(company="x", conversation="x").get_json()["code"] == "INVALID_COMPANY_ID"


@pytest.mark.parametrize(
    ("user", "status", "code"),
    [
        ("one-of-another-company", 400, "NO_ACCOUNT"),
        ("one-without-accounts", 400, "NO_ACCOUNT"),
        ("one-nobody-knows", 400, "NO_ACCOUNT"),
        ("one-made-inactive", 403, "FORBIDDEN"),
        ("one-without-the-role", 403, "FORBIDDEN"),
    ],
)
def test_only_an_active_member_with_the_role_sends(
    caller: Caller, wire: Wire, user: str, status: int, code: str
) -> None:
    """None → 400, inactive or without the role → 403; nothing reaches the chat service."""
    answer = caller.send(user)

    assert (status, code) == (answer.status_code, answer.get_json()["code"])
    assert wire.chats == []


def test_nobody_learns_which_companies_exist(caller: Caller) -> None:
    """A company of others and one that does not exist are answered alike."""
    of_others, of_nobody = caller.send(company=GLOBEX).get_json(), caller.send(company=NOWHERE).get_json()
    for body in (of_others, of_nobody):
        for changing in ("path", "request_id", "timestamp"):
            del body[changing]
    assert of_others == of_nobody


def test_403_says_that_the_scope_is_insufficient(caller: Caller) -> None:
    """RFC 6750 section 3.1."""
    challenge = caller.send("one-made-inactive").headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="SalesCaptain API", error="insufficient_scope"'


@pytest.mark.parametrize(
    "failure",
    [reply(500), reply(503), reply(401), reply(200, []), NothingSentError("refused"), NoAnswerError("deadline")],
)
def test_an_account_service_that_is_down_is_500_and_nothing_is_sent(
    caller: Caller, wire: Wire, failure: requests.Response | Exception
) -> None:
    """Never 400: the user may well have an account."""
    wire.answer_accounts = lambda _: failure
    answer = caller.send()

    assert (
        answer.status_code,
        answer.get_json()["code"],
        answer.headers["X-Send-Outcome"],
    ) == (500, "ACCOUNT_SERVICE_UNAVAILABLE", "not_sent")
    assert int(answer.headers["Retry-After"]) >= 1
    assert wire.chats == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b""),
        ("application/json", b"{}"),
        ("application/json", b"{"),
        ("application/json", b"null"),
        ("application/json", b'"text"'),
        ("application/json", b'["message_body"]'),
        ("application/json", b'{"message_body": ""}'),
        ("application/json", b'{"message_body": " \\t\\n\\u00a0\\u3000"}'),
        ("application/json", b'{"message_body": null}'),
        ("application/json", b'{"message_body": 1}'),
        ("application/json", b'{"message_body": ["x"]}'),
        ("application/json", b'{"message_body": "a", "message_body": "b"}'),
        ("application/json", b'{"message_body": "a", "n": NaN}'),
        ("application/json", b'{"message_body": "a", "n": -Infinity}'),
        ("application/json", b'{"message_body": "a", "n": ' + b"1" * 4301 + b"}"),
        ("application/json", b'{"message_body": "\\ud800"}'),
        ("application/json", b'{"message_body": "a\\u0000b"}'),
        ("application/json", b'{"message_body": "\xff"}'),
        ("application/json", '{"message_body": "a"}'.encode("utf-16")),
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"message_body": "a", "n": ' + b"[" * 100 + b"]" * 100 + b"}"),
        ("application/json; charset=utf-16", '{"message_body": "a"}'.encode("utf-16")),
        ("application/json; charset=iso-8859-1", b'{"message_body": "a"}'),
        ("text/plain", b'{"message_body": "a"}'),
        ("application/x-www-form-urlencoded", b"message_body=a"),
        ("", b'{"message_body": "a"}'),
    ],
)
def test_a_body_without_a_readable_message_is_400(
    caller: Caller, wire: Wire, content_type: str, body: bytes
) -> None:
    """The contract's sentence, INVALID_PARAMS, not_sent, and nothing forwarded."""
    answer = caller.send(data=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    assert (answer.get_json()["error"], answer.get_json()["code"]) == (MISSING, "INVALID_PARAMS")
    assert answer.headers["X-Send-Outcome"] == "not_sent"
    assert wire.chats == []


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
def test_json_may_say_that_it_is_in_utf_8(caller: Caller, content_type: str) -> None:
    """In any case, as types and their parameters are written (RFC 9110 section 8.3.1)."""
    answer = caller.send(data='{"message_body": "Grüße"}'.encode(), headers={"Content-Type": content_type})
    assert (answer.status_code, answer.get_json()["data"]["body"]) == (200, "Grüße")


@pytest.mark.parametrize("spare", [0, 1])
def test_a_body_may_have_so_many_bytes_and_not_one_more(caller: Caller, wire: Wire, spare: int) -> None:
    """MAX_BODY_BYTES is the largest size taken."""
    empty = b'{"message_body": ""}'
    body = empty.replace(b'""', b'"' + b"x" * (65536 - len(empty) + spare) + b'"')
    answer = caller.send(data=body, content_type="application/json")

    expected: tuple[int, Any] = (400, "BODY_TOO_LARGE") if spare else (200, None)
    assert expected == (answer.status_code, answer.get_json().get("code"))
    assert (0 if spare else 1) == len(wire.chats)


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


def test_the_account_is_asked_for_once_in_a_while(caller: Caller, wire: Wire) -> None:
    """Answers are kept, also that there is no account."""
    for _ in range(3):
        caller.send()
        caller.send("one-nobody-knows")
    assert len(wire.lookups) == 2


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


def test_a_body_that_ends_early_is_not_sent(caller: Caller, wire: Wire) -> None:
    """A message that is shorter than announced is incomplete (RFC 9112 section 8), even if what came is JSON."""
    answer = caller.send(
        data=b'{"message_body": "cut"}',
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "500"},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (400, "INVALID_PARAMS")
    assert wire.chats == []


@pytest.mark.parametrize(("user", "status"), [("a-member", 200), ("one-made-inactive", 403)])
def test_an_offer_to_upgrade_changes_nothing(caller: Caller, user: str, status: int) -> None:
    """It is declined by ignoring it (RFC 9110 section 7.8), with all checks and headers as usual."""
    answer = caller.send(user, headers={"Connection": "Upgrade", "Upgrade": "websocket"})

    assert answer.status_code == status
    assert answer.headers["X-RateLimit-Remaining"] == "29"
