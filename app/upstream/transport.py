"""A transport for `requests`' requests that knows whether it sent anything, and keeps a total timeout.

Why not the stock adapter: docs/adr/0002-transport.md.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from app.processes import PerProcess
from app.upstream.connections import DEFAULT_PORTS, Origin
from app.upstream.pool import ConnectionPool
from app.upstream.received import ReceivedError
from app.upstream.responses import MAX_BODY_BYTES, HTTPResponse
from app.upstream.sockets import HandshakeError

# A response may repeat the body of the request in JSON, which takes up to six bytes for one (RFC 8259, 7).
# MAX_BODY_BYTES has room for that of a body of _SHORT bytes, besides the rest.
_SHORT, _ECHO = 8192, 6
_LAST_PORT = 65535

# No user, no fragment, nothing that would have to be encoded: a URL is sent as it is written.
_URL = re.compile(
    r"(https?)://(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?((?:[/?][!\"$-~]*)?)", re.IGNORECASE
)

# The reason of an error that nobody foresaw; its cause is then kept.
UNEXPECTED = "unexpected"

# Why a request came to nothing, by the error: the first row that fits counts.
_WHY_NOTHING_SENT: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "dns"),
    (HandshakeError, "tls"),
    (TimeoutError, "connect_timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
    (OSError, "unreachable"),
    (ValueError, "malformed"),
    (TypeError, "malformed"),
)
_WHY_NO_ANSWER: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "deadline"),
    (ConnectionError, "reset"),
    (ssl.SSLEOFError, "cut"),
    (OSError, "broken"),
)


class TransportError(requests.RequestException):
    """No complete response. `reason`, also the text, is one of our own words, safe for logs and metrics."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NothingSentError(TransportError, requests.ConnectionError):
    """Proof that not one byte of the request was handed to a connected socket."""

    # `malformed` is about the request; `circuit_open` comes from the breaker.
    REASONS = frozenset({UNEXPECTED, "circuit_open"}.union(word for _, word in _WHY_NOTHING_SENT))


class NoAnswerError(TransportError):
    """The request may have been sent, wholly or in part, and no complete response came."""

    # `closed` means before a response began.
    REASONS = frozenset({UNEXPECTED}.union(ReceivedError.REASONS, (word for _, word in _WHY_NO_ANSWER)))


def prepare(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> requests.PreparedRequest:
    """Return a request that is sent exactly as given, in 3 µs; `requests`' own preparation takes 35.

    Content-Length is added for the body; give b"" to announce an empty one. The headers are a plain `dict`: they
    are only iterated over.
    """
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    length = {} if body is None else {"Content-Length": str(len(body))}
    request.headers = {**headers, **length}  # type: ignore[assignment]
    return request


class Transport:
    """One request, one response: no redirect, no retry, no proxy, no .netrc, no cookie, no decoding.

    Safe from any thread and after a fork; constructing it opens nothing. `clock` (seconds) measures how long
    connections have been idle and open. A body longer than `max_body_bytes` is an error; a long request raises
    that limit by six times what it has beyond 8 KiB.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._room = max_body_bytes
        self._pool = PerProcess(lambda: ConnectionPool(clock))

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Send the request as it is and return its complete response, within `timeout` seconds in all.

        `timeout` covers lookup and connecting (together at most sockets.CONNECT_SECONDS), TLS, request and
        response. Raises NothingSentError, NoAnswerError.
        """
        deadline = time.monotonic() + timeout
        origin, target = _locate(request.url or "")
        pool = self._pool.get()
        connection = pool.take(origin)
        room = self._room + _ECHO * max(0, len(request.body or b"") - _SHORT)
        try:
            received = connection.exchange(request, target, deadline, room)
        except Exception as error:  # noqa: BLE001  # whatever the error, what was sent is sent
            connection.give_up()
            kind, word = _why(error, handed_over=connection.handed_over)
            # An expected error may quote the peer or a credential; of another the log tells class and place.
            raise kind(word) from (error if word == UNEXPECTED else None)
        finally:
            pool.give(connection)
        return _CompleteResponse(request, received)

    def close(self) -> None:
        """Close idle connections; the transport may be used again."""
        self._pool.get().close()


def _locate(url: str) -> tuple[Origin, str]:
    """Split the URL by hand, since urllib.parse drops line breaks instead of refusing them."""
    match = _URL.fullmatch(url)
    if not match:
        raise NothingSentError("malformed")
    scheme, address, name, port, target = match.groups()
    scheme = scheme.lower()
    number = int(port or DEFAULT_PORTS[scheme])
    if number > _LAST_PORT:  # getaddrinfo would take it modulo 65536
        raise NothingSentError("malformed")
    origin = Origin(scheme, (address or name).lower(), number)
    return origin, target if target.startswith("/") else "/" + target


def _why(error: Exception, *, handed_over: bool) -> tuple[type[TransportError], str]:
    """Return the class and the reason of the error to raise."""
    if isinstance(error, ReceivedError):
        return NoAnswerError, str(error)
    words = _WHY_NO_ANSWER if handed_over else _WHY_NOTHING_SENT
    word = next((word for kind, word in words if isinstance(error, kind)), UNEXPECTED)
    return (NoAnswerError if handed_over else NothingSentError), word


class _CompleteResponse(requests.Response):
    """A response that was read to its end, in a twelfth of the time of `requests`' own constructor.

    It has every attribute of a Response: what is neither set nor computed here is as in a new one.
    """

    _content_consumed = True
    # The peer's words are not kept.
    reason = ""

    def __init__(self, request: requests.PreparedRequest, received: HTTPResponse) -> None:
        self.request, self.url = request, request.url or ""
        self.status_code, self._fields, self._content = received.status, received.fields, received.body

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of whatever type it is there
        if name not in (new := vars(requests.Response())):
            raise AttributeError(name)
        return new[name]

    @cached_property
    def headers(self) -> CaseInsensitiveDict[str]:  # type: ignore[override] # requests declares a variable
        """The headers, by case-insensitive names."""
        return CaseInsensitiveDict(self._fields)
