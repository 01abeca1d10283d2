"""A peer on loopback that does to each connection what its script says."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Self
from unittest.mock import Mock

PATIENCE = 5.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Caller:
    """One accepted connection, in the hands of a script."""

    def __init__(self, sock: socket.socket, seen: list[bytes]) -> None:
        self._sock = sock
        self._seen = seen

    def read(self, size: int) -> bytes:
        """At most `size` bytes of what the caller sends, as they come."""
        return self._sock.recv(size)

    def request(self) -> None:
        """Read one whole request; `Peer.requests` has it then."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(body) < length:
            body += self._more()
        self._seen.append(head + b"\r\n\r\n" + body)

    def _more(self) -> bytes:
        data = self._sock.recv(65536)
        if not data:
            raise ConnectionError("the caller has gone")
        return data

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._sock.sendall(data)

    def answer(self, data: bytes = OK) -> None:
        """Read a request and answer it."""
        self.request()
        self.send(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send a byte at a time."""
        for byte in data:
            self.send(bytes([byte]))
            threading.Event().wait(pause)

    def wait(self) -> None:
        """Do nothing until the caller goes."""
        while self._sock.recv(65536):
            pass

    def close(self) -> None:
        """Close: the caller sees an end once this has returned."""
        self._sock.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


def to_the_end(sock: socket.socket) -> bytes:
    """All that arrives before the end or a reset."""
    data = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            data += piece
    return bytes(data)


Script = Callable[[Caller], None]


class Peer:
    """A listener; the n-th connection gets the n-th script, later ones the last."""

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.accepted = 0
        self._scripts = scripts
        self._context = context
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(PATIENCE)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
                self.accepted += 1
                self._sockets.append(sock)
                self._threads.append(threading.Thread(target=self._play, args=(sock, script)))
                self._threads[-1].start()

    def _play(self, sock: socket.socket, script: Script) -> None:
        # A caller that gives up is what many of the tests are about.
        with sock, contextlib.suppress(OSError):
            secured = self._context.wrap_socket(sock, server_side=True) if self._context else sock
            with secured:
                self._sockets.append(secured)
                script(Caller(secured, self.requests))


def answering(*answers: bytes) -> Script:
    """A script that answers one request after the other, then waits."""

    def script(caller: Caller) -> None:
        for answer in answers:
            caller.answer(answer)
        caller.wait()

    return script


def at(*ports: int) -> Mock:
    """A resolver for which every name has these ports of loopback as its addresses."""
    return Mock(return_value=[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports])
