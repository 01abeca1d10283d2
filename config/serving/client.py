"""A connection, with what the worker keeps of it besides gunicorn."""

import socket
from select import POLLOUT, poll
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from config.serving.plain import Peer

# An answer to a client that has not been asked for longer than this may be more than its connection takes: whoever
# sends requests and reads no answers would hold a thread for ANSWER_SECONDS with each.
UNASKED_BYTES = 2048


class Client(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection; whoever takes it in says what it waits for: an Arrival, a Pause, a Farewell."""

    arrival: Any

    def __init__(self, cfg: Config, sock: socket.socket, client: Any, server: Any) -> None:  # noqa: ANN401 - addresses of any family
        super().__init__(cfg, sock, client, server)
        # A thread gets it when all is here, and need not look.
        self.data_ready = True
        self.peer = Peer(cfg, self)
        # Bytes of answers since the system was asked about it.
        self.untaken = 0

    def takes_answers(self) -> bool:
        """Whether it has read enough of them; the system is asked only where it could be too little."""
        if self.untaken <= UNASKED_BYTES:
            return True
        self.untaken = 0
        return _has_room(self.sock)


def _has_room(sock: socket.socket) -> bool:
    """Whether the system has at least a third of its room for answers to this client.

    It counts what it takes to keep them, which for small packets is many times their bytes.
    """
    poller = poll()
    poller.register(sock, POLLOUT)
    return bool(poller.poll(0))
