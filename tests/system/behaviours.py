"""What the chat service's stand-in can do to a message that it has."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.system.processes import PATIENCE
from tests.unit.upstream.peers import Caller
from tests.wire import sent_message


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that reached the chat service, with what came along."""

    request_id: str
    idempotency_key: str
    company_id: str
    conversation_id: str
    account_id: str
    text: str
    traceparent: str


Behaviour = Callable[[Caller, Entry], None]


def http_answer(status: int, document: object = None, *, body: bytes | None = None, **headers: str) -> bytes:
    """An answer with a JSON document or these very bytes; `_` in names of headers stands for `-`."""
    content = json.dumps(document).encode() if body is None else body
    lines = [f"HTTP/1.1 {status} Answer", "Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def delivered(entry: Entry) -> bytes:
    """The answer to a message that was sent."""
    return http_answer(200, sent_message(entry.conversation_id, entry.text, sent_by_id=entry.account_id))


def delivers(caller: Caller, entry: Entry) -> None:
    """Answer as to a message that was sent."""
    caller.send(delivered(entry))


def answers(status: int, document: object = None, *, body: bytes | None = None, **headers: str) -> Behaviour:
    """Answer this to every message."""
    data = http_answer(status, document, body=body, **headers)
    return lambda caller, _: caller.send(data)


def waits(event: threading.Event, then: Behaviour = delivers) -> Behaviour:
    """Do nothing before the event; goes on without it after PATIENCE, so that no test hangs."""

    def behaviour(caller: Caller, entry: Entry) -> None:
        event.wait(PATIENCE)
        then(caller, entry)

    return behaviour


def closes(caller: Caller, _: Entry) -> None:
    """Close the connection (FIN) without a byte of an answer."""
    caller.close()


def resets(caller: Caller, _: Entry) -> None:
    """Reset the connection (RST)."""
    caller.reset()


def hangs(caller: Caller, _: Entry) -> None:
    """Keep the connection and answer nothing."""
    caller.wait()


def half_headers(caller: Caller, entry: Entry) -> None:
    """Die within the headers of the answer."""
    caller.send(delivered(entry)[:40])
    caller.close()


def half_body(caller: Caller, entry: Entry) -> None:
    """Die within the body of the answer."""
    caller.send(delivered(entry)[:-20])
    caller.close()


def drips(caller: Caller, entry: Entry) -> None:
    """Send the answer a byte at a time, each well within any timeout of a single read."""
    caller.drip(delivered(entry), pause=0.1)
