"""Reading from a client with a limit on the total time, however its bytes are spread."""

import io
import socket
import time
from collections.abc import Callable
from typing import Any


class DeadlineReader(io.RawIOBase):
    """A connection that can be read for `seconds` in total; after that, reads raise TimeoutError."""

    def __init__(
        self, connection: socket.socket, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._connection = connection
        self._clock = clock
        self._until = clock() + seconds

    def readable(self) -> bool:
        """Return True, as io.BufferedReader requires."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - io's
        """Read some bytes, none at the end."""
        left = self._until - self._clock()
        if left <= 0:
            # Bytes that have already arrived would be read whatever the timeout.
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
