"""What has come of a request, told from its bytes (RFC 9112): whether that is all, and how long it may take."""

import re
from collections.abc import Callable
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
        # What is waited for. Not bound to this one: that would be a cycle, which only the collector frees.
        self._step: Callable[[Arrival], bool] = Arrival._has_head
        # How far it has been looked at, and where the request ends if its head says how long it is.
        self._seen = self._end = 0

    def add(self, data: bytes) -> bool:
        """Add bytes (none: the client sends no more); True once the request is whole, or can be refused."""
        self._data += data
        self.is_cut = not data
        return self.is_cut or self._step(self)

    def whole(self) -> bytes:
        """All bytes of the request, where its head says how many; none where it does not, or some are missing.

        To be asked before any is received.
        """
        return bytes(self._data[: self._end]) if self._step is Arrival._has_body and not self.is_cut else b""

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

    def _has_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n", self._seen)
        self.is_too_long = (len(self._data) if end < 0 else end) > LARGEST_HEAD
        if end < 0 or self.is_too_long:
            self.has_head = self.is_cut = self.is_too_long or self._has_bare_lf()
            self._seen = max(0, len(self._data) - 3)
            return self.is_cut
        self.has_head, self.deadline = True, monotonic() + BODY_SECONDS
        # In small letters: to search for names in any case takes far longer.
        head = bytes(self._data[: end + 2]).lower()
        self._seen = self._end = end + 4
        if b"\r\ntransfer-encoding:" in head:
            self._step = Arrival._has_chunks
        else:
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            self.is_cut = size > self._largest_body
            self._step, self._end = Arrival._has_body, self._end + size
        if self.is_cut or self._step(self):
            return True
        self._take_expectation(end + 2)
        return False

    def _has_bare_lf(self) -> bool:
        """Whether the parser can refuse it already: lines that end with LF alone."""
        return _BARE_LF.search(self._data, self._seen) is not None

    def _take_expectation(self, end: int) -> None:
        """Take the field out when this worker answers it, lest gunicorn answers it once more."""
        expectation = _EXPECTATION.search(self._data, 0, end)
        # HTTP/1.0 knows no interim answers (RFC 9110, 10.1.1).
        if expectation and self._data.partition(b"\r\n")[0].endswith(b" HTTP/1.1"):
            self.expects_continue = True
            begin, end = expectation.start(), expectation.end() - 2
            del expectation, self._data[begin:end]
            self._seen -= end - begin
            self._end -= end - begin

    def _has_body(self) -> bool:
        return len(self._data) >= self._end

    def _has_chunks(self) -> bool:
        if self._is_too_large():
            return True
        # A chunk may be said to end further on than any index can be.
        while self._seen < len(self._data):
            chunk = _CHUNK.match(self._data, self._seen)
            if chunk is None:
                return self._is_no_size()
            size = int(chunk[1], 16)
            if not size:
                # The trailers end with the first empty line, which may be that behind the last size.
                self._step, self._seen = Arrival._has_trailers, chunk.end() - 2
                return self._has_trailers()
            self._seen = chunk.end() + size + 2
        return False

    def _is_no_size(self) -> bool:
        """Whether the parser can refuse what stands where the size of a chunk should be."""
        self.is_cut = len(self._data) - self._seen > _LONGEST_SIZE
        return self.is_cut or self._data.find(b"\r\n", self._seen) >= 0

    def _has_trailers(self) -> bool:
        if self._is_too_large():
            return True
        end = self._data.find(b"\r\n\r\n", self._seen)
        self._seen = max(self._seen, len(self._data) - 3)
        return end >= 0

    def _is_too_large(self) -> bool:
        """Whether no body that may be has so many bytes around it."""
        self.is_cut = len(self._data) > LARGEST_HEAD + _BYTES_A_CHUNKED_BYTE * self._largest_body
        return self.is_cut


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
