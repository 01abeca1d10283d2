"""Gunicorn's answer in one packet: the head waits for the first piece of the body, and clients wake up once."""

import re
from email.utils import formatdate
from functools import lru_cache
from time import time

from gunicorn.http.message import TOKEN_RE  # type: ignore[import-untyped]
from gunicorn.http.wsgi import Response  # type: ignore[import-untyped]
from gunicorn.util import is_hoppish  # type: ignore[import-untyped]

_VALUES = re.compile(r"[\t -~\x80-\xff]*")
_SPACES = " \t"


class Answer(Response):  # type: ignore[misc] # gunicorn has no types
    """What the application answers."""

    headers_sent: bool
    _head = b""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Take the fields as they are if there is nothing to say against any of them."""
        values = "".join([value for _, value in headers])
        if _VALUES.fullmatch(values) is None or not all(_is_plain(name) for name, _ in headers):
            super().process_headers(headers)
            return
        self.headers = headers
        self.response_length = next((int(value) for name, value in headers if name == "Content-Length"), None)

    def send_headers(self) -> None:
        """Make the head; it goes out with the first piece of the body, or at the end."""
        if self.headers_sent:
            return
        self.headers_sent = True
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

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            data = b"%X\r\n%b\r\n" % (len(data), data)
        head, self._head = self._head, b""
        self.sock.sendall(head + data)

    def close(self) -> None:
        """Send what has not been sent."""
        self.send_headers()
        if self.chunked:
            self._emit_body(b"")
        elif self._head:
            self.sock.sendall(self._head)


@lru_cache(256)
def _is_plain(name: str) -> bool:
    """Whether a field of this name is passed on as it is."""
    is_token = TOKEN_RE.fullmatch(name) is not None
    return is_token and not is_hoppish(name) and (name == "Content-Length" or name.lower() != "content-length")


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
