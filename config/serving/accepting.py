"""Which connections a worker takes in, and until when it has the address."""

import socket
from select import select
from time import sleep
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from config.serving.client import Client
from config.serving.trouble import Trouble

# How long a worker that has connections sleeps before it accepts, so that an idler one is first: 20 µs asked for
# are some 70. With 200 µs two workers took a sixth fewer connections, where clients keep none.
COURTESY_SECONDS = 0.00002
# How long a worker waits that can accept no connection; it would be told again at once that there is one.
TROUBLE_SECONDS = 0.01


class AcceptingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Outlives what may befall a connection before it has it, and refuses those that it could not answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        super().__init__(*args, **kwargs)
        # Unlike one that is worn out (max_requests), which leaves connections to the next one.
        self.is_told_to_stop = False
        self._trouble = Trouble(self.log, "connection not accepted")

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in, a moment later where another worker may have fewer of them: it should be faster.

        All workers wake up for it, and the first one would take whatever a client opens at once.
        """
        if self.nr_conns and self.cfg.workers > 1:
            sleep(COURTESY_SECONDS)
        self.accepts(listener)

    def accepts(self, listener: socket.socket) -> bool:
        """Take a connection in if one is there; False where none can be taken in now, however many are there."""
        try:
            sock, address = listener.accept()
            conn = Client(self.cfg, sock, address, listener.getsockname())
        except (BlockingIOError, ConnectionAbortedError):
            # Another worker has it, or it has gone.
            return True
        except OSError as error:
            # No file, no memory, or what befell the connection before (accept(2)): gunicorn would end over it.
            self._trouble.tell(error)
            sleep(TROUBLE_SECONDS)
            return False
        self._trouble.end()
        self.nr_conns += 1
        self.enqueue_req(conn)
        return True

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Accept connections or leave them to others."""
        super().set_accept_enabled(enabled)
        if self.is_told_to_stop:
            self.let_go()

    def let_go(self) -> None:
        """Take in the connections that are here, and then no more, once none is accepted.

        Gunicorn would go on listening while it finishes, and reset at last what came in meanwhile. Where nobody
        listens, a proxy goes elsewhere before it has sent a byte. A worker that is worn out (max_requests) leaves
        them to others, and lets go when it is told to stop besides.
        """
        while self.sockets and not self._accepting:
            listener = self.sockets.pop()
            while self._has_waiting(listener) and self.accepts(listener):
                pass
            listener.close()

    def _has_waiting(self, listener: socket.socket) -> bool:
        """Whether a connection waits that this worker has room for."""
        return self.nr_conns < self.worker_connections and bool(select([listener], [], [], 0)[0])
