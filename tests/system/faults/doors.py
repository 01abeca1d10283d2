"""A port that can be open, shut, or a hole that swallows connections, again and again."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

from tests.system.processes import ReservedPort

Serve = Callable[[socket.socket], None]


class Door:
    """While open, each connection goes to `serve` in a thread of its own; the port stays the same throughout.

    Connections that were let in live on when it is shut. Those that nobody had accepted yet are reset then.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._reserved = ReservedPort()
        self.port: int = self._reserved.number
        self._lock = threading.Lock()
        self._inside: dict[threading.Thread, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._fillers: list[socket.socket] = []

    def open(self, serve: Serve | None = None) -> Self:
        """Let everybody in, to `serve` if another one is given."""
        self.shut()
        self._listener = self._listen(backlog=1024)
        arguments = (self._listener, serve or self._serve)
        self._accepting = threading.Thread(target=self._accept, args=arguments, name="door")
        self._accepting.start()
        return self

    def block(self) -> Self:
        """Drop every SYN: the queue of connections to accept is full (listen(2)), and nobody accepts."""
        self.shut()
        self._listener = self._listen(backlog=0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._fillers.append(filler)
        return self

    def shut(self) -> None:
        """Refuse everybody."""
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._accepting is not None:
            self._accepting.join()
        self._listener.close()
        for filler in self._fillers:
            filler.close()
        self._listener, self._accepting, self._fillers = None, None, []

    def hang_up(self) -> list[threading.Thread]:
        """Hang up on all who are inside; their threads end when they notice."""
        with self._lock:
            inside = dict(self._inside)
        for sock in inside.values():
            # Most are closed by now.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        return list(inside)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        for thread in self.hang_up():
            thread.join()
        self._reserved.__exit__()

    def _listen(self, backlog: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(backlog)
        return listener

    def _accept(self, listener: socket.socket, serve: Serve) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._let_in, args=(sock, serve), name="door")
                with self._lock:
                    self._inside[thread] = sock
                thread.start()

    def _let_in(self, sock: socket.socket, serve: Serve) -> None:
        # A caller that goes is the ordinary end, and a fault may have closed the connection.
        with sock, contextlib.suppress(OSError):
            serve(sock)
        with self._lock:
            del self._inside[threading.current_thread()]
