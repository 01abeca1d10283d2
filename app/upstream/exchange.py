"""One exchange with an upstream service: total deadline, at most one retry, circuit breaker."""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import requests

from app.errors import Outcome
from app.upstream.breaker import Breaker
from app.upstream.slots import Slots
from app.upstream.transport import NothingSentError, TransportError, prepare

# The pause before the retry is one to two times this many seconds, so that callers do not retry in step.
_PAUSE = 0.05

# json.dumps would create one for each document.
_ENCODER = json.JSONEncoder(ensure_ascii=False)

# The reasons of complete responses that fail: by their content, or by their status.
INVALID_ANSWER, OTHER_CONVERSATION = "invalid_answer", "other_conversation"
ANSWERS = frozenset({INVALID_ANSWER, OTHER_CONVERSATION} | {f"status_{number}xx" for number in range(1, 6)})


def status_class(response: requests.Response) -> str:
    """Return the reason of a response that fails by its status, such as `status_5xx`."""
    return f"status_{response.status_code // 100}xx"


class Sender(Protocol):
    """The transport that an exchange needs."""

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Return the complete response within `timeout` seconds; see app.upstream.transport.Transport.send."""


@dataclass(slots=True)
class Exchanged:
    """The number of attempts and the seconds that one exchange took.

    Without an attempt, the response was cached or another request's, or the circuit was open.
    """

    attempts: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Correlation:
    """The identifiers that tie exchanges to the request they are made for, in the logs of both sides.

    `exchanges` has the first one with each service, by the service's name; `posted` is what is proved of the POST
    to the chat service, None until one is begun.
    """

    request_id: str
    traceparent: str
    tracestate: str | None = None
    exchanges: dict[str, Exchanged] = field(default_factory=dict)
    posted: Outcome | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers for the request id and the W3C trace context."""
        headers = {"X-Request-ID": self.request_id, "traceparent": self.traceparent}
        return headers | ({"tracestate": self.tracestate} if self.tracestate else {})


class Service:
    """An upstream service: its base URL, our credential there, and `timeout`, the seconds for one exchange in all.

    A caller takes one of `slots` before it waits for the service.
    """

    def __init__(
        self, url: str, *, token: str | None, timeout: float, transport: Sender, breaker: Breaker, slots: Slots
    ) -> None:
        self.breaker = breaker
        self.slots = slots
        self._url = url
        self.timeout = timeout
        self._transport = transport
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def exchange(
        self,
        method: str,
        path: str,
        correlation: Correlation,
        *,
        document: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the service's complete response, whatever its status.

        `path` is sent as it is, `document` as JSON in UTF-8. Raises NothingSentError if not a byte was handed to a
        connected socket, NoAnswerError in every other case. Both are retried once where that can help, the latter
        only for a GET, which is a safe method (RFC 9110 section 9.2.1).
        """
        begun = time.monotonic()
        noted = Exchanged()
        correlation.exchanges.setdefault(self.breaker.service, noted)
        body, every = None, {**self._headers, **correlation.headers(), **(headers or {})}
        if document is not None:
            body = _ENCODER.encode(document).encode()
            every["Content-Type"] = "application/json"
        request = prepare(method, self._url + path, every, body)
        try:
            return self._persist(request, begun + self.timeout, noted)
        finally:
            noted.seconds = time.monotonic() - begun

    def _persist(self, request: requests.PreparedRequest, deadline: float, noted: Exchanged) -> requests.Response:
        try:
            return self._attempt(request, deadline, noted)
        except TransportError as error:
            harmless = isinstance(error, NothingSentError) or request.method == "GET"
            pause = _PAUSE * random.uniform(1, 2)  # noqa: S311 - not a secret
            if not (harmless and self._worth_repeating(error)) or time.monotonic() + pause >= deadline:
                raise
            time.sleep(pause)
            return self._attempt(request, deadline, noted)

    def _worth_repeating(self, error: TransportError) -> bool:
        # Within the connect timeout TCP itself tried twice (RFC 6298); a malformed request stays malformed.
        is_final = error.reason == "connect_timeout" or (
            isinstance(error, NothingSentError) and error.reason == "malformed"
        )
        return not (is_final or self.breaker.open)

    def _attempt(self, request: requests.PreparedRequest, deadline: float, noted: Exchanged) -> requests.Response:
        with self.breaker:
            noted.attempts += 1
            return self._transport.send(request, timeout=deadline - time.monotonic())
