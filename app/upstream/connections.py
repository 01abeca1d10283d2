"""One connection to one service: whether a byte was handed over, and whether it can be used again."""

import http.client
import re
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

import requests

from app.upstream.answers import Answer
from app.upstream.sockets import DeadlineSocket, Lookup, Trust, connect, secure

_FIELD_VALUE = re.compile(r"[^\x00\r\n]*")

# Refuses to wait without a system call: only what has been received already can be read.
_NO_TIME = float("-inf")


class Origin(NamedTuple):
    """Whom a connection leads to, and whom it believes about that."""

    scheme: str
    host: str
    port: int
    trust: Trust


class Connection(http.client.HTTPConnection):
    """A connection that one exchange at a time may use; it opens with the first.

    `handed_over` turns true right before the first byte of a request goes to the connected socket, and is the
    only proof that nothing was sent. `reusable` is true after a complete answer that allows another request.
    """

    response_class = Answer
    sock: DeadlineSocket | Any

    def __init__(
        self,
        origin: Origin,
        context: Callable[[Trust], ssl.SSLContext],
        lookup: Lookup,
    ) -> None:
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self.default_port = 443 if origin.scheme == "https" else 80
        self.handed_over = self.reusable = False
        self._context = context
        self._lookup = lookup
        self._outgoing: list[bytes] = []

    def exchange(self, request: requests.PreparedRequest, target: str, deadline: float, room: int) -> Answer:
        """Send the request and read the whole answer, both before the deadline (`time.monotonic`).

        A body of more than `room` bytes is none.

        Raises OSError, ValueError, http.client.HTTPException; `handed_over` tells whether anything was sent.
        """
        self.handed_over = self.reusable = False
        self._compose(request, target)
        self._open(deadline)
        self._hand_over()
        with self.getresponse() as answer:
            answer.body = answer.read_body(room)
            self.reusable = not answer.will_close and self._is_quiet(answer)
        return answer

    def getresponse(self) -> Answer:
        """`http.client`'s, with the type of answer that it makes here."""
        answer = super().getresponse()
        if not isinstance(answer, Answer):
            raise TypeError("response_class was not obeyed")
        return answer

    def send(self, data: Any) -> None:  # noqa: ANN401  # http.client gives bytes
        """Keep what `http.client` has composed: head and body leave together, in one packet if they fit."""
        self._outgoing.append(data)

    def _compose(self, request: requests.PreparedRequest, target: str) -> None:
        self._outgoing.clear()
        names = {_text(name).lower() for name in request.headers}
        body = _body(request)
        self.putrequest(request.method or "", target, skip_host="host" in names, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if not _FIELD_VALUE.fullmatch(_text(value)):
                raise ValueError("a line break in a header")
            self.putheader(_text(name), _text(value))
        self.endheaders(body)

    def _open(self, deadline: float) -> None:
        if self.sock is None:
            scheme, host, port, trust = self.origin
            self.sock = connect(host, port, deadline, self._lookup)
            if scheme == "https":
                self.sock = secure(self.sock, self._context(trust), host, deadline)
        self.sock.deadline = deadline

    def _hand_over(self) -> None:
        data = b"".join(self._outgoing)
        self.sock.arm()
        self.handed_over = True
        self.sock.sendall(data)

    def _is_quiet(self, answer: Answer) -> bool:
        """Whether nothing follows the answer in what has been received."""
        self.sock.deadline = _NO_TIME
        try:
            return not answer.fp.peek(1)
        except TimeoutError:
            return not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _body(request: requests.PreparedRequest) -> bytes | None:
    """The body, if its length is the one announced: any other would be read as the next request."""
    body = request.body
    if body is not None and not isinstance(body, bytes):
        raise TypeError("a body is bytes")
    announced = _text(request.headers.get("Content-Length", "0"))
    if announced != str(len(body or b"")) or "Transfer-Encoding" in request.headers:
        raise ValueError("the announced length is not the body's")
    return body
