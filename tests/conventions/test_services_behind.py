"""What every company-scoped operation makes of the answers of the services behind it."""

import pytest
import requests

from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.declarations import Operation
from app.web.reference.document import answer_example
from tests.conventions.operations import OPERATIONS, Scratch, every, senders, told
from tests.wire import ACCOUNTS, CHAT, reply


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


@senders
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


@senders
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
