"""A threaded HTTP/1.1 server on raw sockets: an answer can be any bytes, half of them, or none."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from tests.unit.upstream.peers import Caller


@dataclass(frozen=True, slots=True)
class Received:
    """One whole request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The request in these bytes."""
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        pairs = [line.partition(":") for line in lines]
        return cls(method, path, {name.lower(): value.strip() for name, _, value in pairs}, body)

    @property
    def document(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)


Respond = Callable[[Caller, Received], None]


class Listener:
    """Hands every request to `respond`, in a thread for each connection, which is kept alive."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self._accept, name="stand-in")

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            left = dict(self._connections)
        for sock in left.values():
            # Most are closed by now.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._serve, args=(sock,), name="stand-in")
                with self._lock:
                    self._connections[thread] = sock
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        seen: list[bytes] = []
        caller = Caller(sock, seen)
        # A caller that goes is the ordinary end, and a behaviour may have closed the connection.
        with sock, contextlib.suppress(OSError):
            while True:
                caller.request()
                self._respond(caller, Received.parse(seen.pop()))
        with self._lock:
            del self._connections[threading.current_thread()]
