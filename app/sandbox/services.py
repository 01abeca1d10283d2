"""Stand-ins for the two services behind the API, on one port: `/accounts/…` and `/chat/…`.

They speak the upstream interfaces and nothing more, so what works against them works against the real ones.
In the conversations of app.sandbox.rehearsals the chat service misbehaves on purpose, in any company.
"""

import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from app.sandbox.directory import ACCOUNTS, BROKEN_USER, CONVERSATIONS, NAMES
from app.sandbox.rehearsals import MISBEHAVIOURS, SLOW_SECONDS

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS conversations (conversation_id TEXT PRIMARY KEY, company_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    message_id TEXT PRIMARY KEY, conversation_id TEXT, author TEXT, body TEXT, date_created TEXT,
    sent_by_id TEXT, request_id TEXT, idempotency_key TEXT
);
"""
REHEARSED_HEADERS = {"429": {"Retry-After": "7"}, "307": {"Location": "/"}}

stand_ins = Blueprint("stand_ins", __name__)


def create_sandbox(database: str | Path) -> Flask:
    """Make the stand-ins; conversations and what arrives in them are kept in the SQLite file `database`."""
    sandbox = Flask(__name__)
    sandbox.config["DATABASE"] = database
    sandbox.register_blueprint(stand_ins)
    with sandbox.app_context(), connected() as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT OR IGNORE INTO conversations VALUES (?, ?)", CONVERSATIONS.items())
    return sandbox


@contextmanager
def connected() -> Iterator[sqlite3.Connection]:
    """A connection for one request, committed and closed at its end; waits up to 5 s for another writer."""
    connection = sqlite3.connect(current_app.config["DATABASE"], timeout=5)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


@stand_ins.get("/accounts/users/<path:user_id>/accounts")
def list_accounts(user_id: str) -> ResponseReturnValue:
    """The accounts of a user; 404 for one that nobody knows."""
    if user_id == BROKEN_USER:
        return {"error": "A rehearsed 500"}, 500
    if user_id not in ACCOUNTS:
        return {"error": "No such user"}, 404
    return {"accounts": [ACCOUNTS[user_id]]}


@stand_ins.post("/chat/send-message/<company_id>/<conversation_id>")
def send_message(company_id: str, conversation_id: str) -> ResponseReturnValue:
    """Keep a message, with the headers it came with, and answer it as a bare SentMessage."""
    match request.get_json(silent=True):
        case {"account_id": str(account_id), "message_body": str(text), **rest} if not rest:
            pass
        case _:
            return {"error": "The body must be account_id and message_body, two strings, and nothing else"}, 400
    people = {(a["company_id"], a["account_id"]): NAMES.get(user, user) for user, a in ACCOUNTS.items()}
    if (company_id, account_id) not in people:
        return {"error": "The account is not of this company"}, 403
    word = MISBEHAVIOURS.get(conversation_id, "")
    if word.isdecimal():
        return {"error": f"A rehearsed {word}"}, int(word), REHEARSED_HEADERS.get(word, {})
    if not word and CONVERSATIONS.get(conversation_id) != company_id:
        return {"error": "No such conversation in this company"}, 404
    return misbehave(word, keep(conversation_id, people[company_id, account_id], text, account_id))


def misbehave(word: str, message: dict[str, Any]) -> ResponseReturnValue:
    """Answer a message that is kept, with a word in a way that does not prove it or takes its time.

    The server is Werkzeug's: it shows its sockets, and closes every connection after an answer.
    """
    match word:
        case "deaf":
            # Nothing comes any more but the end, when the service gives up.
            request.environ["werkzeug.socket"].recv(1)
        case "dead":
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        case "faded":
            return Response(["{"], 201, {"Content-Length": "300"})
        case "bad":
            return "<html>", 201
        case "f1e1d":
            del message["message_id"]
        case "facade":
            message["conversation_id"] = next(iter(CONVERSATIONS))
        case "decade":
            time.sleep(SLOW_SECONDS)
    return message, 201


def keep(conversation_id: str, author: str, text: str, account_id: str) -> dict[str, Any]:
    """Store a message; returns the nine fields of a SentMessage."""
    message = {
        "message_id": str(uuid.uuid4()),
        "conversation_id": conversation_id,
        "author": author,
        "body": text,
        "date_created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sent_by_id": account_id,
    }
    came_with = [request.headers.get(name) for name in ("X-Request-ID", "Idempotency-Key")]
    with connected() as connection:
        connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*message.values(), *came_with])
    return {**message, "is_me": True, "message_type": "sms_message", "sent_by_username": author}
