"""Incoming requests: whether all bytes of one have arrived (RFC 9112), and how long it may take."""

import re
from collections.abc import Callable
from time import monotonic

# A head is one or two packets; in five seconds each of them may be lost twice (RFC 6298).
HEAD_SECONDS = 5.0
# 64 KiB at 52 kbit/s; within a stopping worker's graceful timeout.
BODY_SECONDS = 10.0
# Time for a client to read the last response and hang up; gunicorn's own default.
LINGER_SECONDS = 2.0
# nginx allows heads of 32 KiB.
LARGEST_HEAD = 65536
# The smallest chunk has one byte of content and five around it.
_BYTES_A_CHUNKED_BYTE = 6

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
_EXPECTATION = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-f]{1,16})(?![0-9a-f])[^\r\n]{0,256}\r\n", re.IGNORECASE)
_BARE_LF = re.compile(rb"(?<!\r)\n")
# A longer line is not a chunk size, even with an extension.
_LONGEST_SIZE = 300


class Arrival:
    """A request being received, its body limited in size. Gunicorn's parser reads from it like a socket.

    Framing is not validated here, only its end is found: a malformed request counts as complete, and the parser
    rejects it. Earlier bytes are not scanned again, however small the pieces: the loop that serves all runs this.
    """

    def __init__(self, largest_body: int) -> None:
        self.deadline = monotonic() + HEAD_SECONDS
        self.has_head = False
        # Whether the head exceeds LARGEST_HEAD.
        self.is_too_long = False
        # Whether bytes are missing: what follows on the connection may be the rest of the body.
        self.is_cut = False
        self.expects_continue = False
        self._data = bytearray()
        self._largest_body = largest_body
        # The check for what is awaited. Not a bound method: only the garbage collector would free that cycle.
        self._step: Callable[[Arrival], bool] = Arrival._has_head
        # How far the data has been scanned, and where the request ends if its head gives its length.
        self._seen = self._end = 0

    def add(self, data: bytes) -> bool:
        """Add bytes (none: the client sends no more); return whether the request is complete or to be rejected."""
        self._data += data
        self.is_cut = not data
        return self.is_cut or self._step(self)

    def whole(self) -> bytes:
        """Return all bytes of the request; none if its head does not give its length, or if some are missing.

        Must be called before `recv`.
        """
        return bytes(self._data[: self._end]) if self._step is Arrival._has_body and not self.is_cut else b""

    def recv(self, size: int) -> bytes:
        """Return at most `size` of the received bytes, then none, which marks the request as cut.

        The parser copies all that it was given for each chunk of a body: given everything at once, small chunks
        would cost the square of their number.
        """
        data = bytes(self._data[:size])
        del self._data[:size]
        self.is_cut = self.is_cut or not data
        return data

    def skip(self, size: int) -> None:
        """Consume `size` bytes without returning them."""
        del self._data[:size]

    def rest(self) -> bytes:
        """Return the bytes not consumed: they belong to the next request."""
        return bytes(self._data)

    def drop(self) -> None:
        """Discard the bytes not consumed; nobody will ask for them."""
        self._data.clear()

    def _has_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n", self._seen)
        self.is_too_long = (len(self._data) if end < 0 else end) > LARGEST_HEAD
        if end < 0 or self.is_too_long:
            self.has_head = self.is_cut = self.is_too_long or self._has_bare_lf()
            self._seen = max(0, len(self._data) - 3)
            return self.is_cut
        self.has_head, self.deadline = True, monotonic() + BODY_SECONDS
        # Lowercase: searching for names in any case takes far longer.
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
        """Return whether a line ends with LF alone, so that the parser can reject the request already."""
        return _BARE_LF.search(self._data, self._seen) is not None

    def _take_expectation(self, end: int) -> None:
        """Remove the Expect header if this worker answers it, so that gunicorn does not answer it again."""
        expectation = _EXPECTATION.search(self._data, 0, end)
        # HTTP/1.0 has no interim responses (RFC 9110 section 10.1.1).
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
        # A chunk may declare an end beyond any possible index.
        while self._seen < len(self._data):
            chunk = _CHUNK.match(self._data, self._seen)
            if chunk is None:
                return self._is_no_size()
            size = int(chunk[1], 16)
            if not size:
                # Trailers end at the first empty line, which may directly follow the last chunk's size.
                self._step, self._seen = Arrival._has_trailers, chunk.end() - 2
                return self._has_trailers()
            self._seen = chunk.end() + size + 2
        return False

    def _is_no_size(self) -> bool:
        """Return whether the parser can reject what stands in place of a chunk size."""
        self.is_cut = len(self._data) - self._seen > _LONGEST_SIZE
        return self.is_cut or self._data.find(b"\r\n", self._seen) >= 0

    def _has_trailers(self) -> bool:
        if self._is_too_large():
            return True
        end = self._data.find(b"\r\n\r\n", self._seen)
        self._seen = max(self._seen, len(self._data) - 3)
        return end >= 0

    def _is_too_large(self) -> bool:
        """Return whether the request is larger than the largest body and its framing can be."""
        self.is_cut = len(self._data) > LARGEST_HEAD + _BYTES_A_CHUNKED_BYTE * self._largest_body
        return self.is_cut


class LingeringClose:
    """Input after the last response, until the client hangs up; leaving it unread could destroy the response."""

    has_head = False
    is_cut = True
    expects_continue = False

    def __init__(self) -> None:
        self.deadline = monotonic() + LINGER_SECONDS

    def add(self, data: bytes) -> bool:
        """Return whether the client has hung up."""
        return not data


class KeepAlive:
    """A kept-alive connection between two requests."""

    has_head = False
    is_cut = False

    def __init__(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds

    def end_by(self, deadline: float) -> None:
        """Close the connection by `deadline` if no request comes."""
        self.deadline = min(self.deadline, deadline)
