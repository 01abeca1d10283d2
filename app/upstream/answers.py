"""Reading an answer strictly (RFC 9112): what is odd is a failure, never a guess.

`http.client` takes the end of the stream for the end of the headers, skips a missing end of a chunked body,
reads `0x1_0` as a chunk size and does not mind a body that is too short. Here each of them is an AnswerError.
"""

import http.client
import re
import socket

from requests.structures import CaseInsensitiveDict

MAX_BODY_BYTES = 65536
MAX_HEAD_BYTES = 65536
MAX_FIELDS = 100
MAX_INTERIM_ANSWERS = 8

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[\t ]*(?:;[\t -~\x80-\xff]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}")

_SWITCHING_PROTOCOLS = 101
_LAST_INTERIM = 199
_NO_CONTENT = 204
_NOT_MODIFIED = 304


class AnswerError(http.client.HTTPException):
    """What came is no whole answer; its text is `closed`, `cut`, `malformed` or `too_large`."""


class Answer(http.client.HTTPResponse):
    """One answer: `begin` reads the head into `status` and `fields`, `read_body` the rest.

    Both raise AnswerError, or the OSError of the socket. `fields` joins fields of one name with a comma
    (RFC 9110, 5.3); names are in lower case.
    """

    version: int
    status: int
    length: int | None
    fields: CaseInsensitiveDict[str]
    body = b""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self._is_head = method == "HEAD"

    def begin(self) -> None:
        """Read heads until one is final (RFC 9110, 15.2): MAX_INTERIM_ANSWERS at most before it, no 101."""
        for _ in range(MAX_INTERIM_ANSWERS + 1):
            self.version, self.status = self._read_status_line()
            self.fields = self._read_fields()
            if self.status > _LAST_INTERIM:
                return self._frame()
            if self.status == _SWITCHING_PROTOCOLS:
                break
        raise AnswerError("malformed")

    def read_body(self, room: int = MAX_BODY_BYTES) -> bytes:
        """Read the whole body as it came, in no case more than `room` bytes of it."""
        if self.chunked:
            return self._read_chunks(room)
        if self.length is not None:
            return self._read_exactly(self.length, room)
        body = self.fp.read(room + 1)
        if len(body) > room:
            raise AnswerError("too_large")
        return body

    def _read_line(self, room: int) -> bytes:
        line = self.fp.readline(room + 1)
        if len(line) > room:
            raise AnswerError("too_large")
        if line.endswith(b"\r\n"):
            return line
        raise AnswerError("malformed" if line.endswith(b"\n") else "cut")

    def _read_status_line(self) -> tuple[int, int]:
        if not self.fp.peek(1):
            raise AnswerError("closed")
        match = _STATUS_LINE.fullmatch(self._read_line(MAX_HEAD_BYTES))
        if not match:
            raise AnswerError("malformed")
        return 10 + int(match[1]), int(match[2])

    def _read_fields(self) -> CaseInsensitiveDict[str]:
        fields: dict[str, str] = {}
        room = MAX_HEAD_BYTES
        for _ in range(MAX_FIELDS + 1):
            line = self._read_line(room)
            if line == b"\r\n":
                return CaseInsensitiveDict(fields)
            room -= len(line)
            match = _FIELD.fullmatch(line)
            if not match:
                raise AnswerError("malformed")
            name, value = match[1].decode().lower(), match[2].strip(b"\t ").decode("latin-1")
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        raise AnswerError("too_large")

    def _frame(self) -> None:
        """Where the body ends and whether the connection goes on (RFC 9112, 6.3 and 9.3)."""
        length, coding = self.fields.get("content-length"), self.fields.get("transfer-encoding")
        self._refuse_doubtful_framing(length, coding)
        self.will_close = self.version == 10 or "close" in self.fields.get("connection", "").lower()  # noqa: PLR2004  # 1.0
        self.chunked = coding is not None
        self.length = None if length is None else int(length)
        if self._is_head or self.status in {_NO_CONTENT, _NOT_MODIFIED}:
            # A 204 that announces a body may have one on its way, which must not be the next answer.
            self.will_close |= self.status == _NO_CONTENT and (self.chunked or bool(self.length))
            self.chunked, self.length = False, 0
        elif not self.chunked and self.length is None:
            self.will_close = True

    def _refuse_doubtful_framing(self, length: str | None, coding: str | None) -> None:
        if length is not None and (coding is not None or not _LENGTH.fullmatch(length)):
            raise AnswerError("malformed")
        if coding is not None and (coding.lower() != "chunked" or self.version == 10):  # noqa: PLR2004  # 1.0
            raise AnswerError("malformed")

    def _read_exactly(self, size: int, room: int) -> bytes:
        if size > room:
            raise AnswerError("too_large")
        data = self.fp.read(size)
        if len(data) < size:
            raise AnswerError("cut")
        return data

    def _read_chunks(self, room: int) -> bytes:
        body = bytearray()
        while size := self._read_chunk_size():
            body += self._read_exactly(size, room - len(body))
            if self._read_exactly(2, 2) != b"\r\n":
                raise AnswerError("malformed")
        self._read_fields()  # trailers are read, so that the connection is left clean, and dropped
        return bytes(body)

    def _read_chunk_size(self) -> int:
        match = _CHUNK.fullmatch(self._read_line(1024))
        if not match:
            raise AnswerError("malformed")
        return int(match[1], 16)
