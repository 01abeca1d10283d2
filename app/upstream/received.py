"""What a peer sends, taken line by line and byte by byte; what has been received and not taken stays."""

from typing import Protocol

_PIECE = 16384


class Receiver(Protocol):
    """What is used of a socket."""

    def recv(self, size: int, /) -> bytes:
        """Some bytes, at most so many, or none at the end of the stream."""


class ReceivedError(Exception):
    """What was asked for does not come; its text is `closed`, `cut`, `malformed` or `too_large`."""


class Received:
    """A stream of bytes. Every method raises ReceivedError, or the OSError of the socket."""

    def __init__(self, sock: Receiver) -> None:
        self._sock = sock
        self._data = bytearray()
        # Everything before has been taken.
        self._at = 0

    @property
    def is_taken(self) -> bool:
        """Whether nothing is left of what has been received."""
        return self._at == len(self._data)

    def begin(self) -> None:
        """Wait for a first byte; `closed` says that none will come."""
        if self.is_taken and not self._receives():
            raise ReceivedError("closed")

    def line(self, room: int) -> bytes:
        """The next line, with its CRLF, of at most so many bytes."""
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
        """The next `size` bytes, if there is room for them."""
        if size > room:
            raise ReceivedError("too_large")
        while len(self._data) - self._at < size:
            if not self._receives():
                raise ReceivedError("cut")
        return self._take(self._at + size)

    def to_the_end(self, room: int) -> bytes:
        """All that comes until the stream ends, at most so many bytes."""
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
            # Frames may take a thousand times the room of what is in them.
            del self._data[:end]
            self._at = 0
        return taken
