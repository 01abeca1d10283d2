"""The inbox: a page of the sandbox that shows the messages that arrived as their recipients would read them."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request

from app.sandbox.calls import command, reference_page
from app.sandbox.directory import CONTACTS
from app.sandbox.messages import Messages
from app.sandbox.rehearsals import MISBEHAVIOURS, REHEARSALS

# The longest silence on a stream: only a write reveals that the reader has disconnected.
PULSE_SECONDS = 15
# The largest integer in SQLite.
_LAST = 2**63 - 1
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REHEARSED = {
    row.call.conversation: f"{row.answer} ({row.when})"
    for row in REHEARSALS
    if row.call.conversation in MISBEHAVIOURS
}

inbox = Blueprint("inbox", __name__)


@inbox.after_request
def add_headers(response: Response) -> Response:
    """Forbid loading from other origins, framing and caching."""
    response.headers.update(HEADERS)
    return response


@inbox.get("/")
def show() -> str:
    """Serve the page; its script fills it from the stream."""
    var, port = current_app.config["VAR"], current_app.config["PORT"]
    return render_template("inbox.html", send=command(var, "send"), reference=reference_page(var, port))


@inbox.get("/messages")
def stream() -> Response:
    """Stream every message as an event with its number as id; `live` follows those that have arrived so far.

    A reader that reconnects names the last id it received (HTML Living Standard, section 9.2: Server-sent events).
    """
    last = max(0, min(request.headers.get("Last-Event-ID", 0, type=int), _LAST))
    return Response(events(current_app.extensions["messages"], last), mimetype="text/event-stream")


def events(messages: Messages, last: int, pulse: float = PULSE_SECONDS) -> Iterator[str]:
    """Yield the events after message number `last`, endlessly; a comment after each `pulse` seconds of silence."""
    new = messages.after(last)
    yield from map(event, new)
    yield "event: live\ndata:\n\n"
    while True:
        last = new[-1]["number"] if new else last
        new = messages.await_after(last, pulse)
        yield "".join(map(event, new)) or ":\n\n"


def event(message: dict[str, Any]) -> str:
    """Format a message as an event, with its contact's name and, in a rehearsal, the response its caller gets."""
    id_ = message["conversation_id"]
    contact = CONTACTS.get(id_, f"Rehearsal: {MISBEHAVIOURS.get(id_, id_)}")
    document = {**message, "contact": contact, "told": REHEARSED.get(id_)}
    return f"id: {message['number']}\ndata: {json.dumps(document)}\n\n"
