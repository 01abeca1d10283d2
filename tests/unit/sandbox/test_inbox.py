"""The inbox's page and its stream of messages."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.sandbox.directory import home_of
from app.sandbox.inbox import events
from app.sandbox.messages import Messages
from app.sandbox.services import create_sandbox

CONVERSATION = home_of("jane")[1]
LIVE = "event: live\ndata:\n\n"


@pytest.fixture
def messages(tmp_path: Path) -> Messages:
    return Messages(tmp_path / "sandbox.sqlite3")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with create_sandbox(tmp_path, 8123).test_client() as client:
        yield client


def keep(messages: Messages, text: str, conversation_id: str = CONVERSATION) -> None:
    messages.keep(conversation_id, "Jane Doe", text, "an-account")


def told(event: str) -> dict[str, Any]:
    """The document of an event."""
    document: dict[str, Any] = json.loads(event.split("\ndata: ")[1])
    return document


def test_a_reader_gets_all_messages_then_each_that_arrives(messages: Messages) -> None:
    """The backlog in its order, a mark, and one that arrives while the reader waits."""
    for text in ("one", "two"):
        keep(messages, text)
    stream = events(messages, 0, pulse=60)
    first, second, live = islice(stream, 3)
    assert [told(first)["body"], told(second)["body"], live] == ["one", "two", LIVE]
    with ThreadPoolExecutor() as pool:
        arriving = pool.submit(next, stream)
        keep(messages, "three")
        assert told(arriving.result(timeout=30))["body"] == "three"


def test_a_reader_that_comes_back_gets_what_it_missed(messages: Messages, client: FlaskClient) -> None:
    """It names the last event it had."""
    for text in ("one", "two"):
        keep(messages, text)
    with client.get("/messages", headers={"Last-Event-ID": "1"}) as answer:
        event = next(iter(answer.response))
        assert isinstance(event, bytes)
        assert event.startswith(b"id: 2\n")
        assert told(event.decode())["body"] == "two"


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_reader_may_name_any_event(client: FlaskClient, sign: str) -> None:
    """Also one whose number no store can hold."""
    with client.get("/messages", headers={"Last-Event-ID": sign + "9" * 30}) as answer:
        assert answer.status_code == 200
        assert next(iter(answer.response)) == LIVE.encode()


def test_a_waiting_reader_feels_a_pulse(messages: Messages) -> None:
    """A comment that no page sees: writing it is how the stream notices that its reader has gone."""
    assert list(islice(events(messages, 0, pulse=0), 2)) == [LIVE, ":\n\n"]


@pytest.mark.parametrize("text", ["two\nlines", "\r\n\r\nevent: live", "\u2028 — 😀"])
def test_no_text_breaks_an_event(messages: Messages, text: str) -> None:
    """Whatever a message says stays within its event's one line of data."""
    keep(messages, text)
    event = next(events(messages, 0))
    assert event.splitlines()[0] == "id: 1"
    assert len(event.splitlines()) == 3
    assert told(event)["body"] == text


@pytest.mark.parametrize(
    ("conversation_id", "contact", "outcome"),
    [
        (CONVERSATION, "Maria Alvarez", None),
        ("00000000-0000-4000-8000-000000facade", "Rehearsal: facade", "500 unknown SEND_OUTCOME_UNKNOWN"),
        ("of-an-earlier-version", "Rehearsal: of-an-earlier-version", None),
    ],
)
def test_a_conversation_has_a_name(
    messages: Messages, conversation_id: str, contact: str, outcome: str | None
) -> None:
    """Whom it is with, or what is rehearsed in it and what the caller is told then."""
    keep(messages, "Hello", conversation_id)
    document = told(next(events(messages, 0)))
    assert document["contact"] == contact
    assert (document["told"] or "").startswith(outcome or "")
    assert bool(document["told"]) == bool(outcome)


def test_the_page_says_how_to_send(client: FlaskClient, tmp_path: Path) -> None:
    """The command for this sandbox, and the reference page with a token."""
    page = client.get("/").text
    assert f" -m app.sandbox send --var {tmp_path}<" in page
    assert page.count('href="http://127.0.0.1:8123/docs#token=ey') == 2


@pytest.mark.parametrize("path", ["/", "/messages"])
def test_the_inbox_lets_nothing_in(client: FlaskClient, path: str) -> None:
    """No script or style but its own files, no frame around it, no copy of it."""
    with client.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


def test_another_name_for_this_machine_gets_nothing(client: FlaskClient) -> None:
    """A site that has its own name resolved to 127.0.0.1 cannot read what arrives."""
    assert client.get("/", headers={"Host": "rebound.test:8000"}).status_code == 400
    assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
