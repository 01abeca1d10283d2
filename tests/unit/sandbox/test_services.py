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
from app.sandbox.services import REHEARSALS, create_sandbox

JANES_ACCOUNT = "d4e5f6a7-b8c9-0123-def1-234567890123"
CONVERSATION = "b2c3d4e5-f6a7-8901-bcde-f12345678901"
SEND = f"/chat/send-message/{COMPANY}/{CONVERSATION}"
MESSAGE = {"account_id": JANES_ACCOUNT, "message_body": "Hi — there"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.sqlite3"


@pytest.fixture
def client(database: Path) -> Iterator[FlaskClient]:
    with create_sandbox(database).test_client() as client:
        yield client


def kept(database: Path) -> list[tuple[Any, ...]]:
    query = "SELECT conversation_id, body, sent_by_id, request_id, idempotency_key FROM messages"
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


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


def test_a_message_is_kept_with_the_headers_it_came_with(client: FlaskClient, database: Path) -> None:
    """Request id and key can be read beside the message, and the inbox shows the latest message first."""
    client.post(SEND, json=MESSAGE, headers={"X-Request-ID": "r-1", "Idempotency-Key": "k-1"})
    client.post(SEND, json=MESSAGE | {"message_body": "second"})
    assert kept(database) == [
        (CONVERSATION, "Hi — there", JANES_ACCOUNT, "r-1", "k-1"),
        (CONVERSATION, "second", JANES_ACCOUNT, None, None),
    ]
    assert [message["body"] for message in client.get("/").get_json()["messages"]] == ["second", "Hi — there"]


def test_messages_outlive_the_stand_ins(client: FlaskClient, database: Path) -> None:
    """A second start finds the messages of the first."""
    client.post(SEND, json=MESSAGE)
    assert len(create_sandbox(database).test_client().get("/").get_json()["messages"]) == 1


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
def test_the_body_is_two_strings_and_nothing_else(client: FlaskClient, database: Path, body: object) -> None:
    """Whatever else is sent along shows at once, as 400."""
    assert client.post(SEND, json=body).status_code == 400
    assert kept(database) == []


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


@pytest.mark.parametrize("conversation_id", REHEARSALS)
def test_a_rehearsal_fails_in_any_company_and_keeps_nothing(
    client: FlaskClient, database: Path, conversation_id: str
) -> None:
    """The last digits of a rehearsal's id are the status it answers; the id reads as any other."""
    answer = client.post(SEND.replace(CONVERSATION, conversation_id), json=MESSAGE)
    assert answer.status_code == int(conversation_id[-3:])
    assert str(uuid.UUID(conversation_id)) == conversation_id
    assert kept(database) == []


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
