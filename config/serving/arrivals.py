"""What has come of a request, told from its bytes (RFC 9112): whether that is all, and how long it may take."""

import re
from time import monotonic

# A head is a packet or two; in five seconds each of them may be lost twice (RFC 6298).
HEAD_SECONDS = 5.0
# 64 KiB at 52 kbit/s; still within the grace that a stopping worker has.
BODY_SECONDS = 10.0
# For a client to read the last answer and hang up: as long as gunicorn waits by itself.
FAREWELL_SECONDS = 2.0
# nginx allows heads of 32 KiB.
LARGEST_HEAD = 65536
# The smallest chunk has one byte of content and five around it.
_BYTES_A_CHUNKED_BYTE = 6

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
_EXPECTATION = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-f]{1,16})(?![0-9a-f])[^\r\n]{0,256}\r\n", re.IGNORECASE)
_BARE_LF = re.compile(rb"(?<!\r)\n")
# Beyond this it is no size of a chunk, even with an extension.
_LONGEST_SIZE = 300


class Arrival:
    """One request on its way, with at most so many bytes of a body. Gunicorn's parser reads from it like a socket.

    Frames need not be judged here, only ended: what is malformed is over, and the parser refuses it. What came
    earlier is not looked at again, however small the pieces are: the loop that serves everybody does this.
    """

    def __init__(self, largest_body: int) -> None:
        self.deadline = monotonic() + HEAD_SECONDS
        self.has_head = False
        # Whether there is more head than may be.
        self.is_too_long = False
        # Whether bytes are missing: what follows on the connection may then be the rest of a body.
        self.is_cut = False
        self.expects_continue = False
        self._data = bytearray()
        self._largest_body = largest_body
        # Where the next thing to look at begins: the head's end, a chunk, the trailers' end, the request's end.
        self._at = 0
        self._is_chunked = self._is_in_trailers = False

    def add(self, data: bytes) -> bool:
        """Add bytes (none: the client sends no more); True once the request is whole, or can be refused."""
        self._data += data
        self.is_cut = not data
        return self.is_cut or (self._has_body() if self.has_head else self._ends_head())

    def whole(self) -> bytes:
        """All bytes of the request, where its head says how many; none where it does not, or some are missing.

        To be asked before any is received.
        """
        return b"" if self.is_cut or self._is_chunked else bytes(self._data[: self._at])

    def recv(self, size: int) -> bytes:
        """At most so much of what came, then nothing.

        The parser copies all that it was given for each chunk of a body: to be given everything made small chunks
        cost the square of their number.
        """
        data = bytes(self._data[:size])
        del self._data[:size]
        self.is_cut = self.is_cut or not data
        return data

    def skip(self, size: int) -> None:
        """Take so many bytes as received."""
        del self._data[:size]

    def rest(self) -> bytes:
        """What was not received: it belongs to the next request."""
        return bytes(self._data)

    def drop(self) -> None:
        """Forget what was not received; nobody will ask for it."""
        self._data.clear()

    def _ends_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n", self._at)
        self.is_too_long = (len(self._data) if end < 0 else end) > LARGEST_HEAD
        if end < 0 or self.is_too_long:
            self.has_head = self.is_cut = self.is_too_long or self._has_bare_lf()
            self._at = max(0, len(self._data) - 3)
            return self.is_cut
        self.has_head, self.deadline = True, monotonic() + BODY_SECONDS
        # In small letters: to search for names in any case takes far longer.
        head = bytes(self._data[: end + 2]).lower()
        length = _LENGTH.search(head)
        self._is_chunked = b"\r\ntransfer-encoding:" in head
        self._at = end + 4 + (int(length[1]) if length and not self._is_chunked else 0)
        self.is_cut = self._at > end + 4 + self._largest_body
        if self.is_cut or self._has_body():
            return True
        self._take_expectation(end + 2)
        return False

    def _take_expectation(self, end: int) -> None:
        """Take the field out when this worker answers it, lest gunicorn answers it once more."""
        expectation = _EXPECTATION.search(self._data, 0, end)
        # HTTP/1.0 knows no interim answers (RFC 9110, 10.1.1).
        if expectation and self._data.partition(b"\r\n")[0].endswith(b" HTTP/1.1"):
            self.expects_continue = True
            begin, end = expectation.start(), expectation.end() - 2
            del expectation, self._data[begin:end]
            self._at -= end - begin

    def _has_bare_lf(self) -> bool:
        """Whether the parser can refuse it already: lines that end with LF alone."""
        return _BARE_LF.search(self._data, self._at) is not None

    def _has_body(self) -> bool:
        if not self._is_chunked:
            return len(self._data) >= self._at
        self.is_cut = len(self._data) > LARGEST_HEAD + _BYTES_A_CHUNKED_BYTE * self._largest_body
        return self.is_cut or self._has_last_chunk()

    def _has_last_chunk(self) -> bool:
        # A chunk may be said to end further on than any index can be.
        while not self._is_in_trailers and self._at < len(self._data):
            chunk = _CHUNK.match(self._data, self._at)
            if chunk is None:
                return self._is_no_size()
            size = int(chunk[1], 16)
            self._is_in_trailers = size == 0
            # The trailers end with the first empty line, which may be that behind the last size.
            self._at = chunk.end() + (size + 2 if size else -2)
        return self._is_in_trailers and self._has_trailers()

    def _is_no_size(self) -> bool:
        """Whether the parser can refuse what stands where the size of a chunk should be."""
        self.is_cut = len(self._data) - self._at > _LONGEST_SIZE
        return self.is_cut or self._data.find(b"\r\n", self._at) >= 0

    def _has_trailers(self) -> bool:
        end = self._data.find(b"\r\n\r\n", self._at)
        self._at = max(self._at, len(self._data) - 3)
        return end >= 0


class Farewell:
    """What a client still sends when the last answer is out: closing with it unread could destroy the answer."""

    has_head = False
    is_cut = True
    expects_continue = False

    def __init__(self) -> None:
        self.deadline = monotonic() + FAREWELL_SECONDS

    def add(self, data: bytes) -> bool:
        """Whether the client has hung up."""
        return not data


class Pause:
    """A kept-alive connection between two requests."""

    has_head = False
    is_cut = False

    def __init__(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds

    def end_by(self, deadline: float) -> None:
        """Let it take no longer than until then."""
        self.deadline = min(self.deadline, deadline)
