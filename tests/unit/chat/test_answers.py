"""Which 2xx of the chat service proves that the message is sent."""

import json

import pytest

from app.errors import SendOutcomeUnknownError
from tests.people import ACME, CONVERSATION
from tests.unit.services import GOOD, answering, chat_service, failure, send
from tests.wire import Wire

FIELDS = list(GOOD)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226, 299])
def test_sent(wire: Wire, status: int) -> None:
    """A 2xx with the whole message is proof; the nine fields come back as they are, and no others."""
    wire.answer_chat = answering({**GOOD, "template_id": "t", "secret": {"a": 1}}, status)
    assert send(chat_service(wire)) == GOOD


@pytest.mark.parametrize("status", [200, 204, 205])
def test_a_2xx_without_a_body(status: int) -> None:
    """It says that something went well and not that this message is sent."""
    assert type(failure(answering(body=b"", status=status))) is SendOutcomeUnknownError


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_needed(name: str) -> None:
    """A 2xx without one of the nine fields proves nothing."""
    document = {key: value for key, value in GOOD.items() if key != name}
    assert type(failure(answering(document))) is SendOutcomeUnknownError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in FIELDS
        for value in (
            None,
            1,
            0,
            1.5,
            [],
            {},
            [True],
            {"a": "b"},
            *(("true", "yes", "") if name == "is_me" else (True, False)),
        )
    ],
)
def test_each_field_is_of_its_type(name: str, value: object) -> None:
    """`is_me` is true or false, the others are texts; what merely resembles them proves nothing."""
    assert type(failure(answering({**GOOD, name: value}))) is SendOutcomeUnknownError


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in {"conversation_id", "is_me"}])
@pytest.mark.parametrize("value", ["", "no UUID", "31.12.2025", "\x00\u2028😀", "\ud800"], ids=ascii)
def test_formats_are_not_judged(wire: Wire, name: str, value: str) -> None:
    """A sent message is sent, even where an id is no UUID or a date no date."""
    wire.answer_chat = answering({**GOOD, name: value, "is_me": False})
    assert send(chat_service(wire)) == {**GOOD, name: value, "is_me": False}


@pytest.mark.parametrize("conversation_id", [CONVERSATION.upper(), CONVERSATION.title()])
def test_conversation_in_other_letters(wire: Wire, conversation_id: str) -> None:
    """The case of its letters is the chat service's own, and is passed on."""
    wire.answer_chat = answering({**GOOD, "conversation_id": conversation_id})
    assert send(chat_service(wire))["conversation_id"] == conversation_id


@pytest.mark.parametrize(
    "conversation_id", [ACME, "", CONVERSATION[:-1], CONVERSATION + " ", f"{{{CONVERSATION}}}"]
)
def test_another_conversation(conversation_id: str) -> None:
    """An answer about another conversation is not about this message."""
    assert type(failure(answering({**GOOD, "conversation_id": conversation_id}))) is SendOutcomeUnknownError


TEXT = json.dumps(GOOD)
UNREADABLE: dict[str, bytes] = {
    "HTML": b"<html>OK</html>",
    "white space": b" \n",
    "cut": TEXT.encode()[:-1],
    "something behind": TEXT.encode() + b"x",
    "twice": TEXT.encode() * 2,
    "latin-1": TEXT.replace("Jane", "Zoë").encode("latin-1"),
    "a cut character": TEXT.encode()[:-1] + b"\xc3",
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "gzip": b"\x1f\x8b\x08\x00",
    "a list": f"[{TEXT}]".encode(),
    "in an envelope": f'{{"data": {TEXT}}}'.encode(),
    "a text": b'"sent"',
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a raw line break in a text": TEXT.replace("Jane", "Ja\nne").encode(),
    "60,000 levels": b"[" * 60_000,
    "60,000 levels beside the fields": TEXT.encode()[:-1] + b', "a": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "an endless number": TEXT.encode()[:-1] + b', "a": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_answer(case: str) -> None:
    """A 2xx that is not one JSON object in UTF-8 proves nothing, and is never another exception."""
    assert type(failure(answering(body=UNREADABLE[case]))) is SendOutcomeUnknownError


@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
def test_answer_that_is_nearly_json(value: str) -> None:
    """NaN and infinities are not JSON (RFC 8259 section 6), even in a field that is not passed on."""
    assert type(failure(answering(body=f'{TEXT[:-1]}, "a": {value}}}'.encode()))) is SendOutcomeUnknownError
