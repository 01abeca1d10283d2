"""Strict parsing of HTTP responses (RFC 9112): anything odd is an error, never a guess.

`http.client` takes the end of the stream for the end of the headers, ignores a missing end of a chunked body,
reads `0x1_0` as a chunk size and accepts a body that is too short. Here each of them is a ReceivedError.
"""

import re

from app.upstream.received import Received, ReceivedError, Receiver

MAX_BODY_BYTES = 65536
MAX_HEAD_BYTES = 65536
MAX_FIELDS = 100
MAX_INTERIM_RESPONSES = 8

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[\t ]*(?:;[\t -~\x80-\xff]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}")

_SWITCHING_PROTOCOLS = 101
_LAST_INTERIM = 199
_NO_CONTENT = 204
_NOT_MODIFIED = 304


class HTTPResponse:
    """One response, not to a HEAD: `begin` reads the head into `status` and `fields`, `read_body` the rest.

    Both raise ReceivedError, or the OSError of the socket. `fields` joins headers of the same name with a comma
    (RFC 9110, 5.3); names are in lower case.
    """

    version: int
    status: int
    fields: dict[str, str]
    length: int | None
    chunked: bool
    will_close: bool
    body = b""

    def __init__(self, sock: Receiver) -> None:
        self._received = Received(sock)

    @property
    def is_followed(self) -> bool:
        """Whether more than this response has been received."""
        return not self._received.is_taken

    @property
    def succeeds(self) -> bool:
        """Whether the status says that the request was carried out (RFC 9110, 15.3)."""
        return 200 <= self.status < 300  # noqa: PLR2004 - as the RFC has it

    @property
    def refuses(self) -> bool:
        """Whether the status says that nothing was done: a client error (RFC 9110, 15.5)."""
        return 400 <= self.status < 500  # noqa: PLR2004 - as the RFC has it

    def begin(self) -> None:
        """Read heads up to the final one (RFC 9110, 15.2): at most MAX_INTERIM_RESPONSES before it, no 101."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            self.version, self.status = self._read_status_line()
            self.fields = self._read_fields()
            if self.status > _LAST_INTERIM:
                return self._frame()
            if self.status == _SWITCHING_PROTOCOLS:
                break
        raise ReceivedError("malformed")

    def read_body(self, room: int = MAX_BODY_BYTES) -> bytes:
        """Read the whole body, without content decoding; raises ReceivedError if it exceeds `room` bytes."""
        if self.chunked:
            return self._read_chunks(room)
        if self.length is not None:
            return self._received.exactly(self.length, room)
        return self._received.to_the_end(room)

    def _read_status_line(self) -> tuple[int, int]:
        self._received.begin()
        match = _STATUS_LINE.fullmatch(self._received.line(MAX_HEAD_BYTES))
        if not match:
            raise ReceivedError("malformed")
        return 10 + int(match[1]), int(match[2])

    def _read_fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        room = MAX_HEAD_BYTES
        for _ in range(MAX_FIELDS + 1):
            line = self._received.line(room)
            if line == b"\r\n":
                return fields
            room -= len(line)
            match = _FIELD.fullmatch(line)
            if not match:
                raise ReceivedError("malformed")
            name, value = match[1].decode().lower(), match[2].strip(b"\t ").decode("latin-1")
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        raise ReceivedError("too_large")

    def _frame(self) -> None:
        """Determine where the body ends and whether the connection stays open (RFC 9112, 6.3 and 9.3)."""
        length, coding = self.fields.get("content-length"), self.fields.get("transfer-encoding")
        self._refuse_doubtful_framing(length, coding)
        self.will_close = self.version == 10 or "close" in self.fields.get("connection", "").lower()  # noqa: PLR2004  # 1.0
        self.chunked = coding is not None
        self.length = None if length is None else int(length)
        if self.status in {_NO_CONTENT, _NOT_MODIFIED}:
            # A response that cannot have a body but announces one may send it: it must not be the next response.
            self.will_close |= self.chunked or bool(self.length)
            self.chunked, self.length = False, 0
        elif not self.chunked and self.length is None:
            self.will_close = True

    def _refuse_doubtful_framing(self, length: str | None, coding: str | None) -> None:
        if length is not None and (coding is not None or not _LENGTH.fullmatch(length)):
            raise ReceivedError("malformed")
        if coding is not None and (coding.lower() != "chunked" or self.version == 10):  # noqa: PLR2004  # 1.0
            raise ReceivedError("malformed")

    def _read_chunks(self, room: int) -> bytes:
        body = bytearray()
        while size := self._read_chunk_size():
            body += self._received.exactly(size, room - len(body))
            if self._received.exactly(2, 2) != b"\r\n":
                raise ReceivedError("malformed")
        self._read_fields()  # read and drop trailers: the connection is left clean
        return bytes(body)

    def _read_chunk_size(self) -> int:
        match = _CHUNK.fullmatch(self._received.line(1024))
        if not match:
            raise ReceivedError("malformed")
        return int(match[1], 16)
