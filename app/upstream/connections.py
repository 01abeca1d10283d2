"""One connection to one service: whether a byte was handed over, and whether it is reusable."""

import re
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import requests

from app.upstream.received import ReceivedError
from app.upstream.responses import HTTPResponse
from app.upstream.sockets import DeadlineSocket, connect, secure

DEFAULT_PORTS = {"http": 80, "https": 443}
# Closing resets the connection and drops what is still to be sent (socket(7)).
_NO_LINGER = struct.pack("ii", 1, 0)
_FIELDS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00\r\n]*\r\n)*")


class Origin(NamedTuple):
    """The peer of a connection."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110, 7.2), without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Connection:
    """A connection for one exchange at a time; it opens with the first.

    `handed_over` becomes true right before the first byte of a request goes to the connected socket; only while it
    is false is it proved that nothing was sent. `reusable` is true after a complete response that permits reuse.
    """

    def __init__(self, origin: Origin, context: Callable[[], ssl.SSLContext], made_at: float) -> None:
        self.origin = origin
        self.made_at = made_at
        self.sock: DeadlineSocket | None = None
        self.handed_over = self.reusable = False
        self._context = context

    def exchange(self, request: requests.PreparedRequest, target: str, deadline: float, room: int) -> HTTPResponse:
        """Send the request and read the whole response, both before the deadline (`time.monotonic`).

        A body of more than `room` bytes is an error, but a 4xx refuses by its head, whatever its body. If the
        request has a body, only the head of any response but a 2xx is read, and the connection is not reused: a
        peer that refuses before it has read all of that body would take the rest for the next request.

        Raises OSError, ValueError, TypeError, ReceivedError; `handed_over` says if anything may have been sent.
        """
        self.handed_over = self.reusable = False
        data = _compose(request, target, self.origin)
        sock = self._opened(deadline)
        sock.deadline = deadline
        if monotonic() >= deadline:
            raise TimeoutError
        self.handed_over = True
        # Send head and body together, in one packet if they fit.
        sock.sendall(data)
        response = HTTPResponse(sock)
        response.begin()
        if request.body and not response.succeeds:
            return response
        try:
            response.body = response.read_body(room)
        except (ReceivedError, OSError):
            if not response.refuses:
                raise
            return response
        self.reusable = not (response.will_close or response.is_followed)
        return response

    def give_up(self) -> None:
        """Close the connection, and withdraw what the peer has not received.

        After an ordinary close the system goes on delivering it, for minutes if the network fails.
        """
        if self.sock is not None and self.handed_over:
            # macOS takes no option where the peer has reset the connection: there is nothing left to withdraw.
            with suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close()

    def close(self) -> None:
        """Close the connection; the next exchange opens it anew."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _opened(self, deadline: float) -> DeadlineSocket:
        if self.sock is None:
            scheme, host, port = self.origin
            self.sock = connect(host, port, deadline)
            if scheme == "https":
                self.sock = secure(self.sock, self._context(), host, deadline)
        return self.sock


def _compose(request: requests.PreparedRequest, target: str, origin: Origin) -> bytes:
    """Return the bytes of the request; raises ValueError or TypeError if it cannot be written as one."""
    body = request.body or b""
    if not isinstance(body, bytes):
        raise TypeError("a body is bytes")
    # Raises TypeError for a name or a value that is not a string.
    fields = "".join([name + ": " + value + "\r\n" for name, value in request.headers.items()])
    if not _FIELDS.fullmatch(fields) or fields.count("\n") != len(request.headers):
        raise ValueError("more than one line in a field")
    return (
        f"{request.method} {target} HTTP/1.1\r\nHost: {origin.authority}\r\n{fields}\r\n".encode("latin-1") + body
    )
