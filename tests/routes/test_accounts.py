"""Whose message it is: the ids of the path, and the account of the user in that company."""

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError
from tests.conftest import Caller
from tests.ids import BAD_IDS
from tests.people import GLOBEX, NOWHERE
from tests.wire import Wire, reply


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
    """The challenge says so, as RFC 6750 section 3.1 has it."""
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


def test_the_account_is_asked_for_once_in_a_while(caller: Caller, wire: Wire) -> None:
    """Answers are kept, also that there is no account."""
    for _ in range(3):
        caller.send()
        caller.send("one-nobody-knows")
    assert len(wire.lookups) == 2
