"""A buffered reader of what a peer sends, by lines and by sizes; unread bytes stay in the buffer."""

from typing import Protocol

# All that a TLS record holds (RFC 8446, 5.1): of less, the rest would be decrypted, and nobody would see it wait.
_PIECE = 16384


class Receiver(Protocol):
    """The part of a socket that is used."""

    def recv(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end of the stream."""


class ReceivedError(Exception):
    """The expected bytes do not come; the text is one of REASONS."""

    REASONS = frozenset({"closed", "cut", "malformed", "too_large"})


class Received:
    """A buffered stream of bytes. Every method raises ReceivedError, or the OSError of the socket."""

    def __init__(self, sock: Receiver) -> None:
        self._sock = sock
        self._data = bytearray()
        # Every byte before this index has been taken.
        self._at = 0

    @property
    def is_taken(self) -> bool:
        """Whether all received bytes have been taken."""
        return self._at == len(self._data)

    def begin(self) -> None:
        """Wait for a first byte; raises `closed` if none will come."""
        if self.is_taken and not self._receives():
            raise ReceivedError("closed")

    def line(self, room: int) -> bytes:
        """Return the next line, with its CRLF, of at most `room` bytes."""
        looked_at = self._at
        while (end := self._data.find(b"\n", looked_at) + 1) == 0:
            looked_at = len(self._data)
            if looked_at - self._at > room:
                raise ReceivedError("too_large")
            if not self._receives():
                raise ReceivedError("cut")
        if end - self._at > room:
            raise ReceivedError("too_large")
        line = self._take(end)
        if line.endswith(b"\r\n"):
            return line
        raise ReceivedError("malformed")

    def exactly(self, size: int, room: int) -> bytes:
        """Return the next `size` bytes; raises `too_large` if they exceed `room`."""
        if size > room:
            raise ReceivedError("too_large")
        while len(self._data) - self._at < size:
            if not self._receives():
                raise ReceivedError("cut")
        return self._take(self._at + size)

    def to_the_end(self, room: int) -> bytes:
        """Return everything up to the end of the stream, at most `room` bytes."""
        while len(self._data) - self._at <= room:
            if not self._receives():
                return self._take(len(self._data))
        raise ReceivedError("too_large")

    def _receives(self) -> bool:
        data = self._sock.recv(_PIECE)
        self._data += data
        return bool(data)

    def _take(self, end: int) -> bytes:
        taken = bytes(self._data[self._at : end])
        self._at = end
        if end >= _PIECE:
            # Chunk framing may take a thousand times the space of its content.
            del self._data[:end]
            self._at = 0
        return taken
