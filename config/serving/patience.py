"""Reading from a client for so long in total, however its bytes are spread."""

import io
import socket
import time
from typing import Any

# A request takes no longer than this, nor does each piece of its answer, in seconds.
PATIENCE = 5.0


class Patient(io.RawIOBase):
    """A connection that is read from for PATIENCE in total; then TimeoutError."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self._until = time.monotonic() + PATIENCE

    def readable(self) -> bool:
        """True: io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - io's
        """Some bytes, none at the end."""
        left = self._until - time.monotonic()
        if left <= 0:
            # Bytes that are here already would be read whatever the timeout is.
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
