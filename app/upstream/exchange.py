"""One exchange with a service behind this one: total deadline, at most one retry, circuit breaker."""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import requests

from app.upstream.breaker import Breaker
from app.upstream.slots import Slots
from app.upstream.transport import NothingSentError, TransportError, prepare

# The pause before the retry is between one and two times this long, so that callers do not return in step.
_PAUSE = 0.05

# json.dumps would make one for each document.
_ENCODER = json.JSONEncoder(ensure_ascii=False)

# The words of whole answers that do not say what they must, or say no.
INVALID_ANSWER, OTHER_CONVERSATION = "invalid_answer", "other_conversation"
ANSWERS = frozenset({INVALID_ANSWER, OTHER_CONVERSATION} | {f"status_{number}xx" for number in range(1, 6)})


def status_class(response: requests.Response) -> str:
    """The word of an answer that says no, such as `status_5xx`."""
    return f"status_{response.status_code // 100}xx"


class Sender(Protocol):
    """What an exchange needs of a transport; `requests.adapters.BaseAdapter` has this shape."""

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """The complete answer within `timeout` seconds; see app.upstream.transport.Transport.send."""
        ...


@dataclass(slots=True)
class Exchanged:
    """One exchange: how many attempts it took, and how many seconds.

    Without an attempt the answer was remembered, or the circuit was open.
    """

    attempts: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Correlation:
    """What ties exchanges to the request they are made for, in the logs of both sides.

    `exchanges` has the first one with each service, by the service's name; `has_posted` says that the chat service
    was asked to do something.
    """

    request_id: str
    traceparent: str
    tracestate: str | None = None
    exchanges: dict[str, Exchanged] = field(default_factory=dict)
    has_posted: bool = False

    def headers(self) -> dict[str, str]:
        """The request id and the W3C trace context."""
        headers = {"X-Request-ID": self.request_id, "traceparent": self.traceparent}
        return headers | ({"tracestate": self.tracestate} if self.tracestate else {})


class Service:
    """A service behind this one: a base URL, our credential there, and a total time for one exchange.

    Whoever is about to wait for it takes one of `slots`.
    """

    def __init__(
        self, url: str, *, token: str | None, timeout: float, transport: Sender, breaker: Breaker, slots: Slots
    ) -> None:
        self.breaker = breaker
        self.slots = slots
        self._url = url
        self._timeout = timeout
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
        """The service's whole answer, whatever its status.

        `path` is sent as it is, `document` as JSON in UTF-8. Raises NothingSentError when not a byte was handed
        to a connected socket, NoAnswerError in every other case. The former is tried once more where that can
        help; the latter only for a GET, which asks for nothing to be done (RFC 9110 section 9.2.1).
        """
        begun = time.monotonic()
        noted = Exchanged()
        correlation.exchanges.setdefault(self.breaker.service, noted)
        request = self._request(method, path, document, {**correlation.headers(), **(headers or {})})
        try:
            return self._persist(request, begun + self._timeout, noted)
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
        # Within the time that connecting has, TCP itself tried twice (RFC 6298); what cannot be written never can.
        is_final = error.reason == "connect_timeout" or (
            isinstance(error, NothingSentError) and error.reason == "malformed"
        )
        return not (is_final or self.breaker.open)

    def _attempt(self, request: requests.PreparedRequest, deadline: float, noted: Exchanged) -> requests.Response:
        with self.breaker:
            noted.attempts += 1
            return self._transport.send(request, timeout=deadline - time.monotonic())

    def _request(
        self, method: str, path: str, document: object, headers: Mapping[str, str]
    ) -> requests.PreparedRequest:
        every = {**self._headers, **headers}
        body = None
        if document is not None:
            body = _ENCODER.encode(document).encode()
            every["Content-Type"] = "application/json"
        return prepare(method, self._url + path, every, body)
