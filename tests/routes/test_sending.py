"""Routes that send, whatever their views make of it: what is told is what is proved of the POST."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint

from app import create_app
from app.chat.client import Client
from app.errors import ChatServiceUnavailableError, ForbiddenError, ServiceError
from app.principals import Account
from app.schemas import Answer, Body, Document, text
from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.bodies import gives, takes
from app.web.guards import company_scoped
from app.web.sending import sends
from app.web.services import chat
from config.settings import load
from tests.documented import CheckedClient
from tests.people import ACME, GLOBEX, bearer
from tests.wire import Answer as Answered
from tests.wire import Wire, reply


class Reminders(Client):
    """A client that says nothing of what an unclear end means."""

    def remind(self, account: Account, text: str) -> Document:
        """Send a reminder."""
        return self._ask("POST", f"/remind/{account.company_id}", Reminder, document={"text": text})

    def change(self, account: Account, text: str) -> Document:
        """Change what is sent."""
        return self._ask("PUT", f"/reminders/{account.company_id}", Reminder, document={"text": text})

    def remind_of(self, account: Account, text: str) -> Document:
        """Lets the caller write a part of the path."""
        return self._ask("POST", f"/remind/{account.company_id}/{text}", Reminder)


class Reminder(Answer):
    """What was sent."""

    text = text("Hello")


class NewReminder(Body):
    """What is to be sent."""

    refusal = "text must be provided!"
    text = text("Hello")


Remind = Callable[[Account, str], Document]


def remind_once(account: Account, text: str) -> Document:
    """As the guide says: the send is the last call."""
    return chat(Reminders).remind(account, text)


def change_and_remind(account: Account, text: str) -> Document:
    """Does something else before."""
    chat(Reminders).change(account, text)
    return chat(Reminders).remind(account, text)


def remind_twice(account: Account, text: str) -> Document:
    """Asks for more afterwards."""
    chat(Reminders).remind(account, text)
    return chat(Reminders).remind(account, "again")


def remind_and_refuse(account: Account, text: str) -> Document:
    """Finds something wrong with what was sent."""
    chat(Reminders).remind(account, text)
    raise ForbiddenError


def remind_in_other_words(account: Account, text: str) -> Document:
    """Makes another error of every error."""
    try:
        return chat(Reminders).remind(account, text)
    except ServiceError:
        raise ChatServiceUnavailableError from None


def remind_in_other_words_whatever_happens(account: Account, text: str) -> Document:
    """Makes an error of ours of a bug."""
    try:
        return chat(Reminders).remind(account, text)
    except Exception:  # noqa: BLE001 - what it should not do
        raise ChatServiceUnavailableError from None


def remind_at_best(account: Account, text: str) -> Document:
    """Lets no error through."""
    try:
        return chat(Reminders).remind(account, text)
    except ServiceError:
        return {"text": text}


def remind_nobody(account: Account, text: str) -> Document:  # noqa: ARG001 - as the others
    """Forgets to send."""
    return {"text": text}


def remind_elsewhere(account: Account, text: str) -> Document:
    """Lets the caller say where."""
    return chat(Reminders).remind_of(account, text)


def reminders(environ: dict[str, str], wire: Wire, how: Remind = remind_once) -> CheckedClient:
    """An application with another route that sends, in this way."""
    blueprint = Blueprint("reminders", __name__, url_prefix="/v1")

    @blueprint.post("/remind/<company_id>")
    @company_scoped(role="conversations")
    @takes(NewReminder)
    @sends
    @gives("Reminded!", Reminder)
    def remind(account: Account, *, body: Document) -> Document:
        return how(account, body["text"])

    app = create_app(load(environ), transport=wire)
    app.register_blueprint(blueprint)
    return CheckedClient(app)


@pytest.mark.parametrize("how", [remind_once, change_and_remind])
@pytest.mark.parametrize(
    "failure", [NoAnswerError("deadline"), reply(500), reply(302), reply(200, body=b"<html>")]
)
def test_every_route_that_sends_tells_what_is_unknown(
    environ: dict[str, str], wire: Wire, failure: Any, how: Remind
) -> None:
    """Whatever its client says of it; and it is not sent again."""
    client = reminders(environ, wire, how)
    wire.answer_chat = lambda *_: failure
    headers = {**bearer(), "Idempotency-Key": "key"}
    answers = [client.post(f"/v1/remind/{ACME}", headers=headers, json={"text": "Hello"}) for _ in range(2)]

    for answer in answers:
        assert (answer.get_json()["code"], answer.headers["X-Send-Outcome"]) == ("SEND_OUTCOME_UNKNOWN", "unknown")
        assert "Retry-After" not in answer.headers
    assert len(wire.chats) == 1


def test_what_fails_after_a_send_is_not_told_as_not_sent(environ: dict[str, str], wire: Wire) -> None:
    """A view that asks for more than its send is a fault of ours, and the message may be out."""
    wire.answer_chat = lambda *_: reply(200, {"text": "Hello"})
    client = reminders(environ, wire, remind_twice)
    answer = client.post(f"/v1/remind/{ACME}", headers=bearer(), json={"text": "Hello"})

    assert (answer.get_json()["code"], answer.headers["X-Send-Outcome"]) == ("INTERNAL_ERROR", "unknown")
    assert "Retry-After" not in answer.headers
    assert len(wire.chats) == 1


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        (remind_and_refuse, reply(200, {"text": "Hello"})),
        (remind_in_other_words, NoAnswerError("deadline")),
        (remind_in_other_words, reply(500)),
        (remind_in_other_words_whatever_happens, ZeroDivisionError()),
        (remind_at_best, NoAnswerError("deadline")),
        (remind_at_best, NothingSentError("refused")),
        (remind_at_best, reply(403)),
        (remind_nobody, reply(200, {"text": "Hello"})),
    ],
)
def test_a_view_cannot_make_more_of_its_send_than_is_proved(
    environ: dict[str, str], wire: Wire, how: Remind, answer: Answered
) -> None:
    """Neither "not sent" of what may be out, which invites to send it again, nor "sent" of what may not be."""
    wire.answer_chat = lambda *_: answer
    client = reminders(environ, wire, how)
    headers = {**bearer(), "Idempotency-Key": "key"}
    first = client.post(f"/v1/remind/{ACME}", headers=headers, json={"text": "Hello"})
    sends = len(wire.chats)
    again = client.post(f"/v1/remind/{ACME}", headers=headers, json={"text": "Hello"})

    for told in (first, again):
        assert (told.status_code, told.headers["X-Send-Outcome"]) == (500, "unknown")
        assert "Retry-After" not in told.headers
    assert len(wire.chats) == sends


def test_no_text_of_a_caller_leads_a_send_to_another_company(environ: dict[str, str], wire: Wire) -> None:
    """A route that lets it is a fault of ours, and nothing is sent."""
    client = reminders(environ, wire, remind_elsewhere)
    answer = client.post(f"/v1/remind/{ACME}", headers=bearer(), json={"text": f"../../remind/{GLOBEX}"})

    told = (answer.status_code, answer.get_json()["code"], answer.headers["X-Send-Outcome"])
    assert told == (500, "INTERNAL_ERROR", "unknown")
    assert wire.chats == []


def test_a_view_may_raise_another_error_of_what_was_not_sent(environ: dict[str, str], wire: Wire) -> None:
    """That is proved, and the key is free again."""
    wire.answer_chat = lambda *_: reply(403)
    client = reminders(environ, wire, remind_in_other_words)
    headers = {**bearer(), "Idempotency-Key": "key"}
    told = client.post(f"/v1/remind/{ACME}", headers=headers, json={"text": "Hello"})
    assert (told.get_json()["code"], told.headers["X-Send-Outcome"]) == ("CHAT_SERVICE_UNAVAILABLE", "not_sent")

    wire.answer_chat = lambda *_: reply(200, {"text": "Hello"})
    assert client.post(f"/v1/remind/{ACME}", headers=headers, json={"text": "Hello"}).status_code == 200
