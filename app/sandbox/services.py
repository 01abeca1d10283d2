"""Stand-ins for the two services behind the API on one port: `/accounts/…`, `/chat/…`; the inbox is at `/`.

They speak the upstream interfaces and nothing more, so what works against them works against the real ones.
A conversation id in `REHEARSALS` makes the chat service fail on purpose, in any company.
"""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue

from app.sandbox.directory import ACCOUNTS, BROKEN_USERS, CONVERSATIONS

Behaviour = Callable[[], ResponseReturnValue]

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS messages (
    message_id TEXT PRIMARY KEY, conversation_id TEXT, author TEXT, body TEXT, date_created TEXT,
    sent_by_id TEXT, request_id TEXT, idempotency_key TEXT
);
"""

accounts = Blueprint("accounts", __name__, url_prefix="/accounts")
chat = Blueprint("chat", __name__, url_prefix="/chat")
inbox = Blueprint("inbox", __name__)


def refuses(status: int) -> Behaviour:
    """The behaviour of a chat service that keeps nothing and answers `status`."""
    return lambda: ({"error": f"A rehearsed {status}"}, status)


REHEARSALS: dict[str, Behaviour] = {
    f"00000000-0000-4000-8000-000000000{status}": refuses(status) for status in (401, 403, 422, 429, 500)
}


def create_sandbox(database: str | Path) -> Flask:
    """Make the stand-ins, with their messages in the SQLite file `database`, which may be new."""
    sandbox = Flask(__name__)
    sandbox.config["DATABASE"] = database
    for blueprint in (accounts, chat, inbox):
        sandbox.register_blueprint(blueprint)
    with sandbox.app_context(), connected() as connection:
        connection.executescript(SCHEMA)
    return sandbox


@contextmanager
def connected() -> Iterator[sqlite3.Connection]:
    """A connection for one request, committed and closed at its end; waits up to 5 s for another writer."""
    connection = sqlite3.connect(current_app.config["DATABASE"], timeout=5)
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            yield connection
    finally:
        connection.close()


@accounts.get("/users/<path:user_id>/accounts")
def list_accounts(user_id: str) -> ResponseReturnValue:
    """The accounts of a user; 404 for one that nobody knows."""
    if user_id in BROKEN_USERS:
        return {"error": "A rehearsed 500"}, 500
    if user_id not in ACCOUNTS:
        return {"error": "No such user"}, 404
    return {"accounts": [ACCOUNTS[user_id].on_the_wire()]}


@chat.post("/send-message/<company_id>/<conversation_id>")
def send_message(company_id: str, conversation_id: str) -> ResponseReturnValue:
    """Keep a message, with the headers it came with, and answer it as a bare SentMessage."""
    if conversation_id in REHEARSALS:
        return REHEARSALS[conversation_id]()
    match request.get_json(silent=True):
        case {"account_id": str(account_id), "message_body": str(text), **rest} if not rest:
            pass
        case _:
            return {"error": "The body must be account_id and message_body, two strings, and nothing else"}, 400
    people = {(a.company_id, a.account_id): a.person for a in ACCOUNTS.values()}
    if (company_id, account_id) not in people:
        return {"error": "The account is not of this company"}, 403
    if CONVERSATIONS.get(conversation_id) != company_id:
        return {"error": "No such conversation in this company"}, 404
    return keep(conversation_id, people[company_id, account_id], text, account_id), 201


def keep(conversation_id: str, author: str, text: str, account_id: str) -> dict[str, str | bool]:
    """Store a message; returns the nine fields of a SentMessage."""
    row = {
        "message_id": str(uuid.uuid4()),
        "conversation_id": conversation_id,
        "author": author,
        "body": text,
        "date_created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sent_by_id": account_id,
    }
    headers = (request.headers.get("X-Request-ID"), request.headers.get("Idempotency-Key"))
    with connected() as connection:
        connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row.values(), *headers))
    return {**row, "is_me": True, "message_type": "sms_message", "sent_by_username": author}


@inbox.get("/")
def show_inbox() -> ResponseReturnValue:
    """The latest 100 messages, newest first."""
    with connected() as connection:
        rows = connection.execute("SELECT * FROM messages ORDER BY rowid DESC LIMIT 100").fetchall()
    return {"messages": [dict(row) for row in rows]}
