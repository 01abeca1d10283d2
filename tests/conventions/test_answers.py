"""What every company-scoped operation answers. A new one is held to all of it, with nothing to write."""

import re

import pytest

from app.web.declarations import Operation
from app.web.reference.document import answer_example
from tests.conventions.operations import OPERATIONS, Scratch, every, told
from tests.people import ACME
from tests.wire import reply

BAD_ID = "a1b2c3d4e5f67890abcdef1234567890"

RESERVED = {"Retry-After", "WWW-Authenticate", "X-Send-Outcome", "X-RateLimit-Limit"}


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
    assert {*answer.get_json()} == {"error", "code", "timestamp", "path", "request_id"}
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
    """Whose account is inactive or lacks the role is told that the scope is insufficient, and sends nothing."""
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
    """With the headers of the decision and a `Retry-After`; nothing is asked of anybody."""
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


@every
def test_every_answer_is_marked(operation: Operation) -> None:
    """With the request's id, as JSON, and not to be stored."""
    for answer in (Scratch(operation).call(), Scratch(operation).call(user=None)):
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
