"""A connection, with the state that the worker keeps in addition to gunicorn's."""

import socket
from select import POLLOUT, poll
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from config.serving.plain import Peer

# Response bytes after which the socket's buffer is checked before another response: a client that sends requests
# and reads no responses would hold a thread for ANSWER_SECONDS with each.
UNASKED_BYTES = 2048
# The send buffer, which Linux doubles: a third of it holds any response of the API and any page of Markdown, even
# in small packets. By default a client that takes those gets a buffer of 38 KB.
SEND_BUFFER = 131_072


class Connection(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection; `arrival` is what the worker waits for: an Arrival, a KeepAlive or a LingeringClose."""

    arrival: Any

    def __init__(self, cfg: Config, sock: socket.socket, client: Any, server: Any) -> None:  # noqa: ANN401 - addresses of any family
        super().__init__(cfg, sock, client, server)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        # A thread gets it once the whole request has arrived, and need not wait for data.
        self.data_ready = True
        self.peer = Peer(cfg, self)
        # Response bytes since the socket's buffer was last checked.
        self.untaken = 0

    def takes_answers(self) -> bool:
        """Return whether the client reads its responses; the system is asked only if it might not.

        It says yes if at least a third of the socket's send buffer is free. It counts the memory that packets
        occupy, which for small ones is many times their bytes.
        """
        if self.untaken <= UNASKED_BYTES:
            return True
        self.untaken = 0
        poller = poll()
        poller.register(self.sock, POLLOUT)
        return bool(poller.poll(0))
