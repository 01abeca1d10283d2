"""TLS in front of a server that speaks none."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def relay(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """The port that hands what it gets by TLS to `port` of loopback, one connection and one exchange at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, port))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            with accepted, suppress(ssl.SSLError):
                _exchange(accepted, context, port)


def _exchange(accepted: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with (
        context.wrap_socket(accepted, server_side=True) as client,
        socket.create_connection(("127.0.0.1", port)) as server,
    ):
        while said := client.recv(65536):
            server.sendall(said)
            client.sendall(server.recv(65536))
