"""One connection to one service: whether a byte was handed over, and whether it can be used again."""

import re
import ssl
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

import requests

from app.resolver import Lookup
from app.upstream.answers import Answer
from app.upstream.received import ReceivedError
from app.upstream.sockets import DeadlineSocket, Trust, connect, secure

_DEFAULT_PORTS = {"http": 80, "https": 443}
_METHOD = re.compile(r"[A-Z]{1,16}")
_FIELDS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00\r\n]*\r\n)*")


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
        made_at: float,
    ) -> None:
        self.origin = origin
        self.made_at = made_at
        self.sock: DeadlineSocket | None = None
        self.handed_over = self.reusable = False
        self._context = context
        self._lookup = lookup

    def exchange(self, request: requests.PreparedRequest, target: str, deadline: float, room: int) -> Answer:
        """Send the request and read the whole answer, both before the deadline (`time.monotonic`).

        An answer with a body of more than `room` bytes is none. A 4xx refuses by its head, whatever its body.
        If the request has a body, every answer but a 2xx is over with its head, and so is the connection: a peer
        that refuses before it has read all of that body would take the rest for the beginning of the next request.

        Raises OSError, ValueError, TypeError, ReceivedError; `handed_over` tells whether anything was sent.
        """
        self.handed_over = self.reusable = False
        data = _compose(request, target, self.origin)
        sock = self._opened(deadline)
        sock.deadline = deadline
        if monotonic() >= deadline:
            raise TimeoutError
        self.handed_over = True
        # Head and body leave together, in one packet if they fit.
        sock.sendall(data)
        answer = Answer(sock, method=request.method)
        answer.begin()
        if request.body and not answer.succeeds:
            return answer
        try:
            answer.body = answer.read_body(room)
        except (ReceivedError, OSError):
            if not answer.refuses:
                raise
            return answer
        self.reusable = not (answer.will_close or answer.is_followed or _has_more(sock))
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


def _has_more(sock: DeadlineSocket) -> bool:
    """Whether TLS has decoded more than was read."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _compose(request: requests.PreparedRequest, target: str, origin: Origin) -> bytes:
    """The bytes of the request; raises ValueError or TypeError where it cannot be written as one."""
    body = request.body or b""
    if not isinstance(body, bytes):
        raise TypeError("a body is bytes")
    # A name or a value that is no text cannot be added to one.
    fields = "".join([name + ": " + value + "\r\n" for name, value in request.headers.items()])
    is_whole = _FIELDS.fullmatch(fields) and fields.count("\n") == len(request.headers)
    if not (is_whole and _METHOD.fullmatch(request.method or "")):
        raise ValueError("more than one line in a method or a field")
    known = f"\r\n{fields.lower()}"
    _refuse_doubtful_length(known, len(body))
    host = "" if "\r\nhost:" in known else f"Host: {origin.authority}\r\n"
    return f"{request.method} {target} HTTP/1.1\r\n{host}{fields}\r\n".encode("latin-1") + body


def _refuse_doubtful_length(fields: str, length: int) -> None:
    """Raise ValueError unless the body's length is announced: what is beyond it would be the next request."""
    announced = re.findall(r"\r\ncontent-length: ([^\r]*)", fields)
    if announced != [str(length)] and (announced or length):
        raise ValueError("the announced length is not the body's")
    if "\r\ntransfer-encoding:" in fields:
        raise ValueError("a body is sent as it is")
