"""The inbox: a page of the sandbox that shows what arrived as the people would read it whom it is for."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, current_app, render_template, request

from app.sandbox.calls import command, reference_page
from app.sandbox.directory import CONTACTS
from app.sandbox.messages import Messages
from app.sandbox.rehearsals import MISBEHAVIOURS, REHEARSALS

# Longer than a pause between messages may be: a write is how a stream notices that its reader has gone.
PULSE_SECONDS = 15
# What SQLite can compare a number with.
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
    """Let the page load nothing from elsewhere, be framed by nobody and be kept nowhere."""
    response.headers.update(HEADERS)
    return response


@inbox.get("/")
def show() -> str:
    """The page; its script fills it from the stream."""
    var, port = current_app.config["VAR"], current_app.config["PORT"]
    return render_template("inbox.html", send=command(var, "send"), reference=reference_page(var, port))


@inbox.get("/messages")
def stream() -> Response:
    """Every message as an event whose id is its number, as they arrive; `live` when those until now are told.

    A reader that comes back names the last one it had (HTML Living Standard, section 9.2: Server-sent events).
    """
    last = max(0, min(request.headers.get("Last-Event-ID", 0, type=int), _LAST))
    return Response(events(current_app.extensions["messages"], last), mimetype="text/event-stream")


def events(messages: Messages, last: int, pulse: float = PULSE_SECONDS) -> Iterator[str]:
    """The events after the message of number `last`, without end; a comment after each `pulse` without one."""
    new = messages.after(last)
    yield from map(event, new)
    yield "event: live\ndata:\n\n"
    while True:
        last = new[-1]["number"] if new else last
        new = messages.await_after(last, pulse)
        yield "".join(map(event, new)) or ":\n\n"


def event(message: dict[str, Any]) -> str:
    """A message as an event, with the name of the conversation and, in a rehearsal, what its caller is told."""
    id_ = message["conversation_id"]
    contact = CONTACTS.get(id_, f"Rehearsal: {MISBEHAVIOURS.get(id_, id_)}")
    document = {**message, "contact": contact, "told": REHEARSED.get(id_)}
    return f"id: {message['number']}\ndata: {json.dumps(document)}\n\n"
