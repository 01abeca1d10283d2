"""Callers on raw sockets: every byte that is sent is written here, and all of an answer is kept."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from http.client import HTTPMessage
from typing import Any, Self, TypeVar

from openapi_core.testing import MockResponse

from app import create_app
from config.settings import load
from tests.conftest import ENVIRON
from tests.documented import hold
from tests.people import ACME, CONVERSATION, bearer
from tests.system.processes import PATIENCE

Result = TypeVar("Result")

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. A body of several parts is sent chunked, a part a chunk."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Sequence[bytes] | None = None

    def to_bytes(self) -> bytes:
        """The request as it goes out, in one piece."""
        headers = {"Host": "service.test", **self.headers}
        body = self.body
        if isinstance(body, bytes):
            headers.setdefault("Content-Length", str(len(body)))
        elif body is not None:
            headers["Transfer-Encoding"] = "chunked"
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*body, b""))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and how many seconds it took from the first byte of the request."""

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def document(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of the error object, if there is one."""
        found: str | None = self.document.get("code")
        return found

    @property
    def remaining(self) -> int:
        """X-RateLimit-Remaining."""
        return int(self.headers["X-RateLimit-Remaining"])


def sending(
    user: str = "a-member",
    *,
    company: str = ACME,
    conversation: str = CONVERSATION,
    text: str = "Hello",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """The request that sends a message."""
    body = json.dumps({"message_body": text}).encode()
    return Request(
        "POST", f"/v1/send-message/{company}/{conversation}", {**bearer(user), **JSON, **(headers or {})}, body
    )


class Connection:
    """A connection to the service, kept for as many requests as the service allows."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def ask(self, request: Request) -> Answer:
        """Send the request and read its answer."""
        return self.exchange(request.to_bytes(), request.method)

    def exchange(self, data: bytes, method: str = "POST") -> Answer:
        """Send these bytes and read an answer; the service may answer, and hang up, before it has them all."""
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)
        with http.client.HTTPResponse(self.socket, method=method) as response:
            response.begin()
            body = response.read()
            return Answer(response.status, response.headers, body, time.monotonic() - begun)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(port: int, request: Request) -> Answer:
    """Send the request on a connection of its own and read its answer, which must be as it is documented."""
    with Connection(port) as connection:
        answer = connection.ask(request)
    told = MockResponse(answer.body, answer.status, dict(answer.headers), answer.headers["Content-Type"] or "")
    hold(_document(), request.method, request.target.partition("?")[0], told)
    return answer


@cache
def _document() -> bytes:
    """The document of the service as it is in the tree."""
    return create_app(load(ENVIRON)).test_client().get("/openapi.json").get_data()


def together(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """What the calls return, each made in a thread of its own and all at the same moment."""
    start = threading.Barrier(len(calls))

    def call(function: Callable[[], Result]) -> Result:
        start.wait(PATIENCE)
        return function()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call, calls))


def ask_together(ports: Sequence[int], requests: Sequence[Request]) -> list[Answer]:
    """The answers to requests that are sent at the same moment, to these ports in turn."""
    return together([partial(ask, ports[number % len(ports)], request) for number, request in enumerate(requests)])
