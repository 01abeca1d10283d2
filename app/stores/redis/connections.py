"""redis-py connections with a deadline for the lookup of the host name, and no call that arrives after its end."""

import socket
import ssl
import struct
import time
from typing import Any

from redis.connection import Connection, SSLConnection

from app.resolver import resolve

# Closing resets the connection and drops what is still to be sent (socket(7)). Otherwise the system would go on
# delivering a call that was given up, to a server that was told of its end meanwhile.
_NO_LINGER = struct.pack("ii", 1, 0)


class NamedConnection(Connection):
    """A TCP connection. redis-py's own waits for a name server as long as the system does, some ten seconds."""

    def _connect(self) -> socket.socket:
        name, until = self.host, time.monotonic() + (self.socket_connect_timeout or 0)
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        for *_, where in resolve(name, self.port, until):
            self.host = where[0]
            try:
                sock: socket.socket = super()._connect()  # type: ignore[no-untyped-call]  # redis-py
            except OSError as error:
                failure = error
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                return sock
            finally:
                # TLS verifies the name, not the address.
                self.host = name
        raise failure


class Trust:
    """The TLS context of a store's connections, with the system's authorities, or with those of `cafile` alone.

    Raises ValueError if the file cannot be read: it is also tried out before a reload.
    """

    def __init__(self, cafile: str | None) -> None:
        try:
            self.context = ssl.create_default_context(cafile=cafile)
        except OSError:
            raise ValueError("ssl_ca_certs: Not a readable file of certificates.") from None


class NamedTLSConnection(SSLConnection, NamedConnection):
    """The same over TLS. redis-py's own makes a context for each connection, with 40 ms of CPU of a call's 200."""

    def __init__(self, *, trust: Trust, **options: Any) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(**options)
        self._trust = trust

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return self._trust.context.wrap_socket(sock, server_hostname=self.host)
