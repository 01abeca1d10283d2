"""The stand-ins: the two upstream interfaces, to the letter."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.sandbox.directory import COMPANY, OTHER_COMPANY, USERS, home_of
from app.sandbox.rehearsals import MISBEHAVIOURS
from app.sandbox.services import create_sandbox

JANES_ACCOUNT = "d4e5f6a7-b8c9-0123-def1-234567890123"
CONVERSATION = "b2c3d4e5-f6a7-8901-bcde-f12345678901"
SEND = f"/chat/send-message/{COMPANY}/{CONVERSATION}"
MESSAGE = {"account_id": JANES_ACCOUNT, "message_body": "Hi — there"}


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.sqlite3"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with create_sandbox(tmp_path, 8000).test_client() as client:
        yield client


def kept(messages: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(messages)) as connection:
        columns = "conversation_id, body, sent_by_id, request_id, idempotency_key"
        return connection.execute(f"SELECT {columns} FROM messages ORDER BY rowid").fetchall()  # noqa: S608 - a constant


def test_a_message_comes_back_as_a_bare_sent_message(client: FlaskClient) -> None:
    """A 2xx is the nine fields of a SentMessage and nothing around them."""
    answer = client.post(SEND, json=MESSAGE)
    message = dict(answer.get_json())
    moment, message_id = message.pop("date_created"), message.pop("message_id")
    assert answer.status_code == 201
    assert message == {
        "conversation_id": CONVERSATION,
        "author": "Jane Doe",
        "body": "Hi — there",
        "is_me": True,
        "message_type": "sms_message",
        "sent_by_id": JANES_ACCOUNT,
        "sent_by_username": "Jane Doe",
    }
    assert datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%f%z").utcoffset() is not None
    assert len(moment) == len("2025-03-23T18:30:00.000Z")
    assert str(uuid.UUID(message_id)) == message_id


def test_a_message_is_kept_with_the_headers_it_came_with(client: FlaskClient, messages: Path) -> None:
    """Request id and key can be read beside the message."""
    client.post(SEND, json=MESSAGE, headers={"X-Request-ID": "r-1", "Idempotency-Key": "k-1"})
    client.post(SEND, json=MESSAGE | {"message_body": "two\nlines"})
    assert kept(messages) == [
        (CONVERSATION, "Hi — there", JANES_ACCOUNT, "r-1", "k-1"),
        (CONVERSATION, "two\nlines", JANES_ACCOUNT, None, None),
    ]


def test_messages_outlive_the_stand_ins(client: FlaskClient, messages: Path) -> None:
    """A second start adds to the messages of the first."""
    client.post(SEND, json=MESSAGE)
    create_sandbox(messages.parent, 8000).test_client().post(SEND, json=MESSAGE)
    assert len(kept(messages)) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"account_id": JANES_ACCOUNT},
        MESSAGE | {"template_id": "t"},
        MESSAGE | {"message_body": None},
        MESSAGE | {"account_id": 1},
        [MESSAGE],
    ],
)
def test_the_body_is_two_strings_and_nothing_else(client: FlaskClient, messages: Path, body: object) -> None:
    """Whatever else is sent along shows at once, as 400."""
    assert client.post(SEND, json=body).status_code == 400
    assert kept(messages) == []


def test_a_body_that_is_no_json_is_refused(client: FlaskClient) -> None:
    """Text without JSON's content type is 400."""
    assert client.post(SEND, data="hello").status_code == 400


@pytest.mark.parametrize("company", [COMPANY, OTHER_COMPANY])
def test_a_conversation_of_another_company_is_unknown(client: FlaskClient, company: str) -> None:
    """A conversation exists in its own company only: 404."""
    user, stranger = ("bob", "jane") if company == OTHER_COMPANY else ("jane", "bob")
    account = client.get(f"/accounts/users/{user}/accounts").get_json()["accounts"][0]["account_id"]
    path = f"/chat/send-message/{company}/{home_of(stranger)[1]}"
    assert client.post(path, json=MESSAGE | {"account_id": account}).status_code == 404


def test_an_account_of_another_company_is_refused(client: FlaskClient) -> None:
    """The account that is sent must be the company's: 403."""
    assert client.post(SEND.replace(COMPANY, OTHER_COMPANY), json=MESSAGE).status_code == 403


@pytest.mark.parametrize(
    ("conversation_id", "status"), [(id_, int(word)) for id_, word in MISBEHAVIOURS.items() if word.isdecimal()]
)
def test_a_refusal_keeps_nothing(client: FlaskClient, messages: Path, conversation_id: str, status: int) -> None:
    """The last digits of the id are the status that the chat service answers."""
    assert client.post(SEND.replace(CONVERSATION, conversation_id), json=MESSAGE).status_code == status
    assert kept(messages) == []


@pytest.mark.parametrize(("word", "header"), [("429", ("Retry-After", "7")), ("307", ("Location", "/"))])
def test_a_refusal_says_when_or_where_to(client: FlaskClient, word: str, header: tuple[str, str]) -> None:
    """A busy service names its pause, a redirect leads to where no message is taken."""
    path = SEND.replace(CONVERSATION, f"00000000-0000-4000-8000-{word:0>12}")
    assert header in list(client.post(path, json=MESSAGE).headers)


@pytest.mark.parametrize("word", ["bad", "f1e1d", "facade"])
def test_a_message_with_an_odd_answer_has_arrived(client: FlaskClient, messages: Path, word: str) -> None:
    """What the caller can only be told is unknown was sent in truth."""
    conversation_id = f"00000000-0000-4000-8000-{word:0>12}"
    assert client.post(SEND.replace(CONVERSATION, conversation_id), json=MESSAGE).status_code == 201
    assert [row[0] for row in kept(messages)] == [conversation_id]


@pytest.mark.parametrize("conversation_id", MISBEHAVIOURS)
def test_an_id_in_which_the_service_misbehaves_reads_as_any_other(conversation_id: str) -> None:
    """It is a UUID in its canonical spelling."""
    assert str(uuid.UUID(conversation_id)) == conversation_id


def test_an_account_is_told_as_the_interface_says(client: FlaskClient) -> None:
    """The five fields of an account."""
    assert client.get("/accounts/users/jane/accounts").get_json() == {
        "accounts": [
            {
                "account_id": JANES_ACCOUNT,
                "company_id": COMPANY,
                "active": True,
                "roles": ["conversations"],
                "access_level": "member",
            }
        ]
    }


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("jane", (COMPANY, True, ["conversations"])),
        ("bob", (OTHER_COMPANY, True, ["conversations"])),
        ("iris", (COMPANY, False, ["conversations"])),
        ("nora", (COMPANY, True, ["contacts"])),
    ],
)
def test_each_user_is_what_they_are_for(client: FlaskClient, user: str, told: tuple[object, ...]) -> None:
    """A member, one of another company, one made inactive, one without the role."""
    (account,) = client.get(f"/accounts/users/{user}/accounts").get_json()["accounts"]
    assert (account["company_id"], account["active"], account["roles"]) == told


@pytest.mark.parametrize(("user", "status"), [("erin", 500), ("nobody", 404), ("no%2Fbody", 404)])
def test_a_user_without_an_answer(client: FlaskClient, user: str, status: int) -> None:
    """The service fails for one user and knows no other."""
    assert client.get(f"/accounts/users/{user}/accounts").status_code == status


@pytest.mark.parametrize("user", USERS)
def test_every_user_has_somewhere_to_write(user: str) -> None:
    """`send --user` needs no ids."""
    assert home_of(user) in [(COMPANY, CONVERSATION), (OTHER_COMPANY, "d4e5f6a7-b8c9-0123-def1-234567890124")]
