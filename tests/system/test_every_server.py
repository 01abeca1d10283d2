"""The same application answers the same, whatever WSGI server it is run by."""

from collections.abc import Iterator

import pytest

from tests.people import CONVERSATION, GLOBEX, bearer
from tests.system.behaviours import answers
from tests.system.clients import JSON, Connection, Request, ask, sending
from tests.system.servers import OURS, PLAIN, WAITRESS, Kind, Server, served
from tests.system.standins import Services

pytestmark = pytest.mark.system

LARGEST = 65536
SEND = f"/v1/send-message/{GLOBEX}/{CONVERSATION}"
# What a server adds by itself, and how it frames the answer.
OF_THE_SERVER = {"connection", "content-length", "date", "server", "transfer-encoding", "via"}
ALWAYS = {
    *("cache-control", "content-security-policy", "content-type", "referrer-policy"),
    *("x-content-type-options", "x-request-id"),
}
LIMITED = ALWAYS | {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-send-outcome"}


def post(*body: bytes, chunked: bool = False, content_type: str = "application/json") -> Request:
    """A send by one of GLOBEX with these bytes, whole or a chunk each."""
    headers = {**bearer("one-of-another-company"), "Content-Type": content_type}
    return Request("POST", SEND, headers, body if chunked else b"".join(body))


TABLE: dict[str, tuple[Request, int, str | None, set[str]]] = {
    "sent": (sending("a-member-a"), 200, None, LIMITED),
    "sent in chunks": (post(b'{"message', b'_body": "x"}', chunked=True), 200, None, LIMITED),
    "no body": (Request("POST", SEND, bearer("one-of-another-company")), 400, "INVALID_PARAMS", LIMITED),
    "no JSON": (post(b"{"), 400, "INVALID_PARAMS", LIMITED),
    "no chunk": (post(chunked=True), 400, "INVALID_PARAMS", LIMITED),
    "a form": (post(b"a=b", content_type="application/x-www-form-urlencoded"), 400, "INVALID_PARAMS", LIMITED),
    "too large": (post(b" " * (LARGEST + 1)), 400, "BODY_TOO_LARGE", LIMITED),
    "too large in chunks": (post(*[b" " * 8192] * 9, chunked=True), 400, "BODY_TOO_LARGE", LIMITED),
    "a bad company": (sending("a-member-b", company="x"), 400, "INVALID_COMPANY_ID", LIMITED),
    "a bad conversation": (sending("a-member-b", conversation="x"), 400, "INVALID_CONVERSATION_ID", LIMITED),
    "no account": (sending("a-member-b", company=GLOBEX), 400, "NO_ACCOUNT", LIMITED),
    "no token": (Request("POST", SEND, JSON, b"{}"), 401, "UNAUTHORIZED", ALWAYS | {"www-authenticate"}),
    "a bad token": (
        sending(headers={"Authorization": "Bearer x"}),
        401,
        "UNAUTHORIZED",
        ALWAYS | {"www-authenticate"},
    ),
    "inactive": (sending("one-made-inactive"), 403, "FORBIDDEN", LIMITED | {"www-authenticate"}),
    "nothing there": (Request("GET", "/v1/nothing"), 404, "NOT_FOUND", ALWAYS),
    "another method": (Request("GET", SEND), 405, "METHOD_NOT_ALLOWED", ALWAYS | {"allow"}),
    "too many": (sending("a-member-c"), 429, "RATE_LIMIT_EXCEEDED", LIMITED | {"retry-after"}),
    "who knows": (sending("a-member-d", text="cut"), 500, "SEND_OUTCOME_UNKNOWN", LIMITED),
    "not ours": (sending("a-member-d", text="credential"), 500, "CHAT_SERVICE_AUTH", LIMITED | {"retry-after"}),
    "the version": (Request("GET", "/v1"), 200, None, ALWAYS),
}


@pytest.fixture(scope="module", params=[OURS, PLAIN, WAITRESS], ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The application under one server, where one user has sent all there is to send."""
    kind: Kind = request.param
    with Services() as services, served(services, kind, WEB_CONCURRENCY="1") as running:
        services.behaviours = {"cut": answers(500), "credential": answers(401)}
        for _ in range(30):
            assert ask(running.port, sending("a-member-c")).status == 200
        yield running


@pytest.mark.parametrize("row", TABLE)
def test_each_request_has_its_answer(server: Server, row: str) -> None:
    """Same status, same code, same headers, JSON in any case; an error names the path."""
    request, status, code, headers = TABLE[row]
    answer = ask(server.port, request)

    assert (answer.status, answer.code) == (status, code)
    assert code is None or answer.document["path"] == request.target
    assert code is None or {"error", "timestamp", "request_id"} < answer.document.keys()
    assert {name.lower() for name in answer.headers} - OF_THE_SERVER == headers
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("server", [OURS, PLAIN], ids=lambda kind: kind.name, indirect=True)
def test_a_body_that_is_announced_too_large_is_not_read(server: Server) -> None:
    """The answer comes although not one byte of the body ever does (waitress reads it first, always)."""
    headers = {**bearer("one-of-another-company"), **JSON, "Content-Length": "1000000000"}
    with Connection(server.port) as connection:
        answer = connection.exchange(Request("POST", SEND, headers).to_bytes())

    assert (answer.status, answer.code) == (400, "BODY_TOO_LARGE")
