"""Stand-ins for the two upstream services, on one port: `/accounts/…` and `/chat/…`, and the inbox at `/`.

They implement the upstream interfaces and nothing more, so what works with them works with the real ones.
In the conversations of app.sandbox.rehearsals the chat service misbehaves on purpose, in any company.
"""

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue

from app.sandbox.directory import ACCOUNTS, BROKEN_USER, CONVERSATIONS, NAMES
from app.sandbox.inbox import inbox
from app.sandbox.messages import Messages
from app.sandbox.rehearsals import MISBEHAVIOURS, SLOW_SECONDS

REHEARSED_HEADERS = {"429": {"Retry-After": "7"}, "307": {"Location": "/"}}

stand_ins = Blueprint("stand_ins", __name__)


def create_sandbox(var: Path, port: int) -> Flask:
    """Create the stand-ins and the inbox for a service on `port`; stores messages in `var/sandbox.sqlite3`."""
    sandbox = Flask(__name__)
    # Against DNS rebinding: a site whose name is made to resolve to 127.0.0.1 still sends that name as Host.
    sandbox.config.update(VAR=var, PORT=port, TRUSTED_HOSTS=["127.0.0.1", "localhost"])
    sandbox.extensions["messages"] = Messages(var / "sandbox.sqlite3")
    sandbox.register_blueprint(stand_ins)
    sandbox.register_blueprint(inbox)
    return sandbox


@stand_ins.get("/accounts/users/<path:user_id>/accounts")
def list_accounts(user_id: str) -> ResponseReturnValue:
    """Return the accounts of a user; 404 for an unknown user."""
    if user_id == BROKEN_USER:
        return {"error": "A rehearsed 500"}, 500
    if user_id not in ACCOUNTS:
        return {"error": "No such user"}, 404
    return {"accounts": [ACCOUNTS[user_id]]}


@stand_ins.post("/chat/send-message/<company_id>/<conversation_id>")
def send_message(company_id: str, conversation_id: str) -> ResponseReturnValue:
    """Store a message with its request id and Idempotency-Key, and answer with a bare SentMessage."""
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
    messages: Messages = current_app.extensions["messages"]
    request_id, key = (request.headers.get(name) for name in ("X-Request-ID", "Idempotency-Key"))
    author = people[company_id, account_id]
    message = messages.keep(conversation_id, author, text, account_id, request_id=request_id, key=key)
    return misbehave(word, message)


def misbehave(word: str, message: dict[str, Any]) -> ResponseReturnValue:
    """Answer a stored message; if there is a word, without proof of the send, or slowly.

    The server is Werkzeug's: it exposes its sockets, and closes every connection after the response.
    """
    match word:
        case "deaf":
            # Blocks until the service gives up and resets the connection.
            with suppress(ConnectionResetError):
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
