"""What the chat service does to a send on the wire, and what the caller is told of it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.people import CONVERSATION, GLOBEX, NOWHERE
from tests.system.behaviours import (
    Behaviour,
    answers,
    closes,
    delivers,
    drips,
    half_body,
    half_headers,
    hangs,
    resets,
)
from tests.system.clients import ask, sending
from tests.system.conftest import Serve
from tests.system.servers import Server, served
from tests.system.standins import Services
from tests.wire import sent_message

pytestmark = pytest.mark.system

BEHAVIOURS: dict[str, Behaviour] = {
    "delivers": delivers,
    "closes": closes,
    "resets": resets,
    "hangs": hangs,
    "half_headers": half_headers,
    "half_body": half_body,
    "drips": drips,
    "redirects": answers(307, Location="http://127.0.0.1:1/"),
    "fails": answers(500, {}),
    "refuses": answers(422, {}),
    "babbles": answers(200, body=b"<html>"),
}
OUTCOMES = dict.fromkeys(BEHAVIOURS, (500, "unknown")) | {"delivers": (200, "sent"), "refuses": (400, "not_sent")}


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Services() as running:
        running.behaviours = dict(BEHAVIOURS)
        yield running


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    """A service that waits for the chat service for half a second."""
    with served(services, CHAT_TIMEOUT_SECONDS="0.5") as running:
        yield running


@pytest.mark.parametrize("text", BEHAVIOURS)
def test_each_fault_is_told_as_what_it_is(server: Server, services: Services, text: str) -> None:
    """The message went out once; it is sent, not sent, or nobody knows, and only the second may be repeated."""
    answer = ask(server.port, sending(text=text, headers={"X-Request-ID": text}))

    assert (answer.status, answer.headers["X-Send-Outcome"]) == OUTCOMES[text]
    assert "Retry-After" not in answer.headers
    assert [entry.request_id for entry in services.ledger.entries if entry.text == text] == [text]


def test_a_refused_repetition_leaves_the_outcome_unknown(services: Services) -> None:
    """CHAT_SERVICE_DEDUPES: the first message may be out, whatever becomes of the second, and keeps the key."""
    told = []
    with served(services, CHAT_SERVICE_DEDUPES="true") as server:
        for text, behaviour in [("a", closes), ("a", answers(429, {})), ("b", delivers), ("a", delivers)]:
            services.behaviours = {text: behaviour}
            answer = ask(server.port, sending(text=text, headers={"Idempotency-Key": "chain"}))
            told.append((answer.status, answer.code, answer.headers["X-Send-Outcome"]))
    services.behaviours = dict(BEHAVIOURS)

    assert told == [
        (500, "SEND_OUTCOME_UNKNOWN", "unknown"),
        (500, "SEND_OUTCOME_UNKNOWN", "unknown"),
        (400, "IDEMPOTENCY_KEY_REUSED", "not_sent"),
        (200, None, "sent"),
    ]
    assert [entry.text for entry in services.ledger.entries if entry.text in {"a", "b"}] == ["a", "a", "a"]


class Hasty(BaseHTTPRequestHandler):
    """A chat service that refuses what is for one conversation before it has read the body, and goes on."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        *_, conversation = self.path.split("/")
        if conversation != CONVERSATION:
            self._answer(403, {})
            return
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(200, sent_message(conversation, document["message_body"]))

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hasty() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hasty) as chat:
        thread = threading.Thread(target=chat.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{chat.server_port}"
        chat.shutdown()
        thread.join()


def test_a_hasty_refusal_is_nobody_elses(serve: Serve, hasty: str) -> None:
    """What is left of its body is not taken for the beginning of the next message, another company's."""
    server = serve(CHAT_SERVICE_URL=hasty, WEB_CONCURRENCY="1")
    refused = sending("one-of-another-company", company=GLOBEX, conversation=NOWHERE)
    answers = [ask(server.port, request) for request in (refused, sending())]

    assert [(answer.status, answer.code, answer.headers["X-Send-Outcome"]) for answer in answers] == [
        (403, "FORBIDDEN", "not_sent"),
        (200, None, "sent"),
    ]
