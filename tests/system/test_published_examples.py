"""The documented answers, as a developer with curl gets them."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.people import ACME, CONVERSATION, NOWHERE, token
from tests.system.behaviours import answers
from tests.system.clients import ask, sending
from tests.system.servers import Server, settings
from tests.system.standins import Services

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

TEXT = "Hi — this is a test message from the api-doc send endpoint."
MESSAGE = json.dumps({"message_body": TEXT}, ensure_ascii=False)
MISSING = "conversation_id, account_id, and message_body must be provided!"
PATH = f"/v1/send-message/{ACME}/{CONVERSATION}"
# What is documented: the user, the path, the body; the status and the fields of the error object.
EXAMPLES: dict[str, tuple[str | None, str, str, int, dict[str, str]]] = {
    "missing_required": ("a-member", PATH, "{}", 400, {"status": "failure", "error": MISSING}),
    "invalid_company_id": (
        "a-member",
        f"/v1/send-message/acme/{CONVERSATION}",
        MESSAGE,
        400,
        {"status": "failure", "error": "Invalid company ID"},
    ),
    "invalid_conversation_id": (
        "a-member",
        f"/v1/send-message/{ACME}/1",
        MESSAGE,
        400,
        {"status": "failure", "error": "Invalid conversation ID"},
    ),
    "no account for the company": (
        "a-member",
        f"/v1/send-message/{NOWHERE}/{CONVERSATION}",
        MESSAGE,
        400,
        {"status": "failure", "error": MISSING},
    ),
    "UnauthorizedError": (None, PATH, MESSAGE, 401, {"error": "Unauthorized access", "code": "UNAUTHORIZED"}),
    "ForbiddenError": (
        "one-without-the-role",
        PATH,
        MESSAGE,
        403,
        {"error": "Forbidden access", "code": "FORBIDDEN"},
    ),
    "RateLimitError": (
        "a-member-in-haste",
        PATH,
        MESSAGE,
        429,
        {"error": "Too many requests, please try again later", "code": "RATE_LIMIT_EXCEEDED"},
    ),
    "InternalServerError": ("a-member", PATH, '{"message_body": "fail"}', 500, {"code": "SEND_OUTCOME_UNKNOWN"}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as name, Services() as services:
        services.behaviours["fail"] = answers(500)
        running = Server(Path(name), settings(services, Path(name)))
        try:
            running.start()
            for _ in range(30):
                ask(running.port, sending("a-member-in-haste"))
            yield running
        finally:
            running.close()


def curl(port: int, user: str | None, path: str, body: str) -> tuple[int, dict[str, str], Any]:
    """The status, the headers in lower case and the document that curl shows."""
    options = ["-H", f"Authorization: Bearer {token(user)}"] if user else []
    command = ["curl", "-sS", "-i", "--max-time", "20", "--noproxy", "*", "-X", "POST", *options]
    command += ["-H", "Content-Type: application/json", "-d", body, f"http://127.0.0.1:{port}{path}"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.decode()
    head, _, document = shown.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, json.loads(document)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_documented_answer_is_given(server: Server, name: str) -> None:
    """Status, texts and fields of the error object, and the path of the request in it."""
    user, path, body, status, fields = EXAMPLES[name]
    told, headers, document = curl(server.port, user, path, body)

    assert told == status
    assert fields.items() <= document.items()
    assert {"error", "code", "timestamp", "path"} <= set(document)
    assert document["path"] == path
    assert headers["content-type"] == "application/json"
    if status == 429:
        assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("30", "0")
        assert int(headers["x-ratelimit-reset"]) > 0


def test_the_documented_message_is_sent(server: Server) -> None:
    """200, the fixed sentence, and the nine fields of SentMessage."""
    status, _, document = curl(server.port, "a-member", PATH, MESSAGE)

    assert (status, document["message"]) == (200, "Message sent successfully!")
    assert document["data"]["body"] == TEXT
    assert document["data"]["conversation_id"] == CONVERSATION
    assert sorted(document["data"]) == [
        "author",
        "body",
        "conversation_id",
        "date_created",
        "is_me",
        "message_id",
        "message_type",
        "sent_by_id",
        "sent_by_username",
    ]
