"""One connection to one service: whether a byte was handed over, and whether it can be used again."""

import re
import ssl
from collections.abc import Callable
from typing import NamedTuple

import requests

from app.upstream.answers import Answer
from app.upstream.sockets import DeadlineSocket, Lookup, Trust, connect, secure

_DEFAULT_PORTS = {"http": 80, "https": 443}
_METHOD = re.compile(r"[A-Z]{1,16}")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00\r\n]*")

# Refuses to wait without a system call: only what has been received already can be read.
_NO_TIME = float("-inf")


class Origin(NamedTuple):
    """Whom a connection leads to, and whom it believes about that."""

    scheme: str
    host: str
    port: int
    trust: Trust

    @property
    def authority(self) -> str:
        """What the Host field says (RFC 9110, 7.2), without a port that goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Connection:
    """A connection that one exchange at a time may use; it opens with the first.

    `handed_over` turns true right before the first byte of a request goes to the connected socket, and is the
    only proof that nothing was sent. `reusable` is true after a complete answer that allows another request.
    """

    def __init__(
        self,
        origin: Origin,
        context: Callable[[Trust], ssl.SSLContext],
        lookup: Lookup,
    ) -> None:
        self.origin = origin
        self.sock: DeadlineSocket | None = None
        self.handed_over = self.reusable = False
        self._context = context
        self._lookup = lookup

    def exchange(self, request: requests.PreparedRequest, target: str, deadline: float, room: int) -> Answer:
        """Send the request and read the whole answer, both before the deadline (`time.monotonic`).

        A body of more than `room` bytes is none.

        Raises OSError, ValueError, TypeError, AnswerError; `handed_over` tells whether anything was sent.
        """
        self.handed_over = self.reusable = False
        data = _compose(request, target, self.origin)
        sock = self._opened(deadline)
        sock.deadline = deadline
        sock.arm()
        self.handed_over = True
        # Head and body leave together, in one packet if they fit.
        sock.sendall(data)
        with Answer(sock, method=request.method) as answer:
            answer.begin()
            answer.body = answer.read_body(room)
            self.reusable = not answer.will_close and _is_quiet(sock, answer)
        return answer

    def close(self) -> None:
        """Close it; the next exchange opens it anew."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _opened(self, deadline: float) -> DeadlineSocket:
        if self.sock is None:
            scheme, host, port, trust = self.origin
            self.sock = connect(host, port, deadline, self._lookup)
            if scheme == "https":
                self.sock = secure(self.sock, self._context(trust), host, deadline)
        return self.sock


def _is_quiet(sock: DeadlineSocket, answer: Answer) -> bool:
    """Whether nothing follows the answer in what has been received."""
    sock.deadline = _NO_TIME
    try:
        return not answer.fp.peek(1)
    except TimeoutError:
        return not (isinstance(sock, ssl.SSLSocket) and sock.pending())


def _compose(request: requests.PreparedRequest, target: str, origin: Origin) -> bytes:
    """The bytes of the request; raises ValueError or TypeError where it cannot be written as one."""
    body = _body(request)
    lines = [f"{_text(name)}: {_text(value)}" for name, value in request.headers.items()]
    if not (_METHOD.fullmatch(request.method or "") and all(map(_FIELD.fullmatch, lines))):
        raise ValueError("more than one line in a method or a field")
    given = any(line[:5].lower() == "host:" for line in lines)
    host = [] if given else [f"Host: {origin.authority}"]
    head = "\r\n".join([f"{request.method} {target} HTTP/1.1", *host, *lines, "\r\n"])
    return head.encode("latin-1") + (body or b"")


def _text(value: str | bytes) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError("a field is text")
    return value


def _body(request: requests.PreparedRequest) -> bytes | None:
    """The body, if its length is the one announced: any other would be read as the next request."""
    body = request.body
    if body is not None and not isinstance(body, bytes):
        raise TypeError("a body is bytes")
    announced = _text(request.headers.get("Content-Length", "0"))
    if announced != str(len(body or b"")) or "Transfer-Encoding" in request.headers:
        raise ValueError("the announced length is not the body's")
    return body
