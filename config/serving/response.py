"""Gunicorn's response in one packet: the head waits for the first piece of the body, so clients wake up once."""

from email.utils import formatdate
from functools import lru_cache
from socket import MSG_DONTWAIT
from time import time

from gunicorn.http.message import TOKEN_RE  # type: ignore[import-untyped]
from gunicorn.http.wsgi import HEADER_VALUE_RE, Response  # type: ignore[import-untyped]
from gunicorn.util import is_hoppish  # type: ignore[import-untyped]

# Timeout of each write that does not fit into the socket's buffer at once: so slow a client counts as not reading.
ANSWER_SECONDS = 5.0
_SPACES = " \t"


class GoneError(Exception):
    """The client has gone, or does not read its response."""


class OnePacketResponse(Response):  # type: ignore[misc] # gunicorn has no types
    """The application's response; raises GoneError if the client does not read it in time."""

    headers_sent: bool
    # Bytes sent, the head included.
    size = 0
    # Built, not sent yet.
    _head = b""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Take the headers as they are if all are plain, else have gunicorn process them."""
        self.headers, self.response_length, self._head = [], None, b""
        fields = dict(headers)
        values = "".join([value for _, value in headers])
        if HEADER_VALUE_RE.fullmatch(values) is None or not all(map(_is_plain, fields)):
            super().process_headers(headers)
            return
        self.headers += headers
        if "Content-Length" in fields:
            self.response_length = int(fields["Content-Length"])

    def send_headers(self) -> None:
        """Build the head; it is sent with the first non-empty piece of the body, or at the end."""
        if self.headers_sent or self._head:
            return
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}",
            f"Server: {self.version}",
            f"Date: {_date(int(time()))}",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}",
            *(["Transfer-Encoding: chunked"] if self.chunked else ()),
            *[f"{name}: {value.strip(_SPACES)}" for name, value in self.headers],
            "\r\n",
        ]
        self._head = "\r\n".join(lines).encode("latin-1")

    def close(self) -> None:
        """Send what has not been sent."""
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")

    def may_be_followed(self) -> bool:
        """Return whether the connection is kept; a body that is too short would go on in the next response."""
        is_whole = self._omits_body or self.response_length in {None, self.sent}
        return is_whole and not self.should_close()

    def _emit_body(self, data: bytes) -> None:
        if data:
            self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes) -> None:
        data, self._head = self._head + data, b""
        if not data:
            return
        self.headers_sent = True
        self.size += len(data)
        try:
            self._send_in_time(data)
        except OSError as error:
            raise GoneError from error

    def _send_in_time(self, data: bytes) -> None:
        try:
            # Without polling first: nearly every response fits into the socket's buffer.
            sent = self.sock.send(data, MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.sock.settimeout(ANSWER_SECONDS)
            self.sock.sendall(data[sent:])


@lru_cache(256)
def _is_plain(name: str) -> bool:
    """Return whether a header with this name is passed on as it is."""
    is_token = TOKEN_RE.fullmatch(name) is not None
    return is_token and not is_hoppish(name) and (name == "Content-Length" or name.lower() != "content-length")


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
