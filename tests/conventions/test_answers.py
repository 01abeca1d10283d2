"""What every company-scoped operation answers. A new one is held to all of it, with nothing to write."""

import re

import pytest
import requests
from werkzeug.test import TestResponse

from app.errors import IncompleteError
from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.declarations import Operation
from app.web.reference.document import answer_example
from tests.conventions.operations import OPERATIONS, Scratch
from tests.people import ACME
from tests.wire import ACCOUNTS, CHAT, reply

every = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
with_body = pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.body], ids=str)

BAD_ID = "a1b2c3d4e5f67890abcdef1234567890"
RESERVED = {"Retry-After", "WWW-Authenticate", "X-Send-Outcome", "X-RateLimit-Limit"}


def told(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and sentence."""
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


@every
def test_a_good_request_gets_its_answer(operation: Operation) -> None:
    """200 with what is declared, under its name; asked of the services behind with our words alone."""
    scratch = Scratch(operation)
    answer = scratch.call()

    assert (answer.status_code, answer.get_json()) == (200, answer_example(operation))
    assert [request.headers.get("Authorization") for request in scratch.wire.requests] == [None, None]
    assert all("X-Request-ID" in request.headers for request in scratch.wire.requests)


@every
def test_the_company_reaches_the_service_behind_in_lower_case(operation: Operation) -> None:
    """An id has one form from the guard on."""
    scratch = Scratch(operation)
    assert scratch.call(ids={"company_id": ACME.upper()}).status_code == 200

    (request,) = scratch.wire.chats
    assert ACME in f"{request.url}{request.body!r}"
    assert ACME.upper() not in f"{request.url}{request.body!r}"


@every
def test_nobody_is_401(operation: Operation) -> None:
    """A challenge and nothing else; nobody is asked, and nobody's budget touched."""
    scratch = Scratch(operation)
    answer = scratch.call(user=None)

    assert told(answer) == (401, "UNAUTHORIZED", "Unauthorized access")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API"'
    assert {*answer.headers.keys()} & RESERVED == {"WWW-Authenticate"}
    assert scratch.wire.requests == []
    assert scratch.call().headers["X-RateLimit-Remaining"] == str(
        int(scratch.call().headers["X-RateLimit-Remaining"]) + 1
    )


@every
def test_a_bad_token_is_401(operation: Operation) -> None:
    """RFC 6750 section 3.1: it is said that the token is at fault, and not how."""
    scratch = Scratch(operation)
    answer = scratch.call(headers={"Authorization": "Bearer a.b.c"})

    assert told(answer) == (401, "UNAUTHORIZED", "Unauthorized access")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API", error="invalid_token"'
    assert scratch.wire.requests == []


@every
def test_one_of_another_company_is_400(operation: Operation) -> None:
    """As if the company did not exist, in the operation's own words."""
    scratch = Scratch(operation)

    assert told(scratch.call("one-of-another-company")) == (400, "NO_ACCOUNT", operation.declaration.refusal)
    assert scratch.wire.chats == []


@every
@pytest.mark.parametrize("user", ["one-made-inactive", "one-without-the-role"])
def test_who_may_not_is_403(operation: Operation, user: str) -> None:
    """Inactive, or without the role."""
    scratch = Scratch(operation)
    answer = scratch.call(user)

    assert told(answer) == (403, "FORBIDDEN", "Forbidden access")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="SalesCaptain API", error="insufficient_scope"'
    assert scratch.wire.chats == []


@every
@pytest.mark.parametrize("spelling", [BAD_ID, f"{{{ACME}}}", f"{ACME} ", "null", "\u0661" + ACME[1:]])
def test_a_misspelt_id_is_400(operation: Operation, spelling: str) -> None:
    """Every id has one spelling; nobody is asked about another."""
    scratch = Scratch(operation)
    for name in {"company_id", *operation.ids}:
        status, code, sentence = told(scratch.call(ids={name: spelling}))
        assert (status, sentence) == (400, f"Invalid {name.removesuffix('_id').replace('_', ' ')} ID")
        assert code.startswith("INVALID_")
    assert scratch.wire.requests == []


@every
def test_over_the_limit_is_429(operation: Operation) -> None:
    """With the headers of the decision; `Retry-After` is enough; nothing is asked of anybody."""
    scratch = Scratch(operation, RATE_LIMIT="2 per minute")
    limit = int(scratch.call().headers["X-RateLimit-Limit"])
    answer = [scratch.call() for _ in range(limit)][-1]

    assert told(answer)[:2] == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) > 0
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(scratch.wire.chats) == limit


@every
def test_its_window_is_its_own(operation: Operation) -> None:
    """What is charged here is not charged on any other operation."""
    scratch = Scratch(operation)
    scratch.call()
    for other in OPERATIONS:
        if other != operation:
            neighbour = Scratch(other)
            neighbour.client = scratch.client
            left = neighbour.call().headers
            assert int(left["X-RateLimit-Remaining"]) == int(left["X-RateLimit-Limit"]) - 1


@every
@pytest.mark.parametrize("service", [ACCOUNTS, CHAT])
@pytest.mark.parametrize(
    "failure", [NothingSentError("refused"), NoAnswerError("deadline"), reply(500), reply(302)], ids=str
)
def test_a_service_that_is_down_is_500(
    operation: Operation, service: str, failure: requests.Response | Exception
) -> None:
    """Never 400 or 200, and in the published shape."""
    scratch = Scratch(operation)
    if service == ACCOUNTS:
        scratch.wire.answer_accounts = lambda *_: failure
    else:
        scratch.wire.answer_chat = lambda *_: failure

    assert scratch.call().status_code == 500


@every
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"canary": 1}', b"\xff", b'{"a": NaN}'])
def test_an_answer_that_is_not_what_was_asked_for_is_500(operation: Operation, body: bytes) -> None:
    """Nothing of it is passed on."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: reply(200, body=body)
    answer = scratch.call()

    assert answer.status_code == 500
    assert "canary" not in answer.get_data(as_text=True)


@every
def test_a_field_that_nobody_declared_is_not_passed_on(operation: Operation) -> None:
    """Only what is documented leaves the service."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: reply(200, {**scratch.given, "secret": "canary"})

    assert scratch.call().get_json() == answer_example(operation)


@every
def test_nothing_is_said_of_sending_where_nothing_is_sent(operation: Operation) -> None:
    """`X-Send-Outcome` and `send_outcome` are of operations that send, and there on every answer."""
    scratch = Scratch(operation)
    answers = [scratch.call(), scratch.call("one-of-another-company")]
    scratch.wire.answer_chat = lambda *_: reply(500)
    answers.append(scratch.call())

    assert {"X-Send-Outcome" in answer.headers for answer in answers} == {operation.declaration.sends}
    assert ["send_outcome" in answer.get_json() for answer in answers] == [
        False,
        *[operation.declaration.sends] * 2,
    ]
    assert operation.declaration.sends or not re.search("sen[dt]", answers[2].get_json()["error"])


@pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.sends], ids=str)
@pytest.mark.parametrize(
    "failure", [NoAnswerError("deadline"), reply(500), reply(302), reply(200, body=b"<html>")], ids=str
)
def test_an_unclear_end_of_a_send_is_unknown(operation: Operation, failure: requests.Response | Exception) -> None:
    """Nothing invites to repeat it, and a repetition under its key sends nothing."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: failure
    for answer in [scratch.call(headers={"Idempotency-Key": "key"}) for _ in range(2)]:
        assert told(answer)[:2] == (500, "SEND_OUTCOME_UNKNOWN")
        assert answer.headers["X-Send-Outcome"] == "unknown"
        assert "Retry-After" not in answer.headers
    assert len(scratch.wire.chats) == 1


@pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.sends], ids=str)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_is_refused_is_400(operation: Operation, status: int) -> None:
    """As documented: whoever is told to try later would repeat for ever what is never accepted."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: reply(status)
    answer = scratch.call()

    assert told(answer)[:2] == (400, "MESSAGE_REJECTED"), f"{operation}: call _ask with `refusals=REJECTED`."
    assert answer.headers["X-Send-Outcome"] == "not_sent"


@pytest.mark.parametrize("operation", [it for it in OPERATIONS if {*it.ids} - {"company_id"}], ids=str)
def test_an_id_that_nothing_has_is_400(operation: Operation) -> None:
    """Whoever is told to try later would ask for ever for what is not there."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: reply(404)

    assert scratch.call().status_code == 400, f"{operation}: call _ask with `refusals={{404: InvalidIdError}}`."


@every
@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_as_a_message_is_sent_as_one(operation: Operation, status: int) -> None:
    """Else nobody learns what became of it, and a repetition under its key sends it again."""
    scratch = Scratch(operation)
    scratch.wire.answer_chat = lambda *_: reply(status)
    is_message = told(scratch.call())[1] == "MESSAGE_REJECTED"

    assert operation.declaration.sends or not is_message, f"{operation}: it sends a message: write @sends."


@every
def test_every_answer_is_marked(operation: Operation) -> None:
    """With the request's id, as JSON, and not to be stored."""
    for answer in (Scratch(operation).call(), Scratch(operation).call(user=None)):
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@with_body
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 60_000, b"\xff"],
    ids=lambda body: repr(body[:20]),
)
def test_garbage_for_a_body_is_400(operation: Operation, body: bytes) -> None:
    """In the operation's own words; nothing reaches the service behind."""
    scratch = Scratch(operation)
    answer = scratch.call(data=body, content_type="application/json")

    assert told(answer) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@with_body
def test_a_body_too_large_or_of_another_type_is_400(operation: Operation) -> None:
    """Like any other body that cannot be taken."""
    scratch = Scratch(operation)

    assert told(scratch.call(data=b" " * 65_537, content_type="application/json"))[1] == "BODY_TOO_LARGE"
    assert told(scratch.call(data=b"{}", content_type="text/plain"))[1] == "INVALID_PARAMS"
    assert scratch.wire.chats == []


@with_body
def test_every_required_field_is_required(operation: Operation) -> None:
    """Without it, or all of them, the request is refused before the service behind hears of it."""
    scratch = Scratch(operation)
    body = scratch.body or {}
    fields = operation.declaration.body().fields if operation.declaration.body else {}
    required = [name for name, field in fields.items() if field.required]
    for missing in [*({name} for name in required), {*body}] if required else []:
        less = {key: value for key, value in body.items() if key not in missing}
        assert told(scratch.call(json=less)) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@every
@pytest.mark.parametrize("query", ["{name}=%00", "{name}=%ff", "{name}=1&{name}=1"])
def test_garbage_for_a_query_is_400(operation: Operation, query: str) -> None:
    """In the operation's own words."""
    scratch = Scratch(operation)
    for name in scratch.query:
        answer = scratch.call(query_string=query.format(name=name))
        assert told(answer) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@every
def test_its_refusal_is_its_own(operation: Operation) -> None:
    """Where it takes something, it says itself what it needs."""
    takes = operation.declaration.body or operation.declaration.query
    assert not takes or operation.declaration.refusal != IncompleteError.sentence
