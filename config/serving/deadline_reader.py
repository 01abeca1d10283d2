"""Reading from a client with a limit on the total time and size, however its bytes are spread."""

import io
import socket
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any


class DeadlineReader(io.RawIOBase):
    """A connection that can be read for `seconds` and up to about `most` bytes in total.

    After that, reads raise TimeoutError, or HTTPException, which http.server answers with 431.
    """

    def __init__(
        self, connection: socket.socket, seconds: float, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._connection = connection
        self._clock = clock
        self._until = clock() + seconds
        self._room = most

    def readable(self) -> bool:
        """Return True, as io.BufferedReader requires."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - io's
        """Read some bytes, none at the end."""
        left = self._until - self._clock()
        if left <= 0:
            # Bytes that have already arrived would be read whatever the timeout.
            raise TimeoutError
        if self._room <= 0:
            raise HTTPException("too large")
        self._connection.settimeout(left)
        size = self._connection.recv_into(buffer)
        self._room -= size
        return size
