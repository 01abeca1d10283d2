"""Sockets that keep a deadline: the whole exchange ends by it, however slowly the peer sends.

A plain timeout bounds one system call. These sockets reset theirs to the time left before every call; no second
thread is needed to enforce a total. Deadlines are times of `time.monotonic`.
"""

import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING

from app.resolver import Address, resolve

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CONNECT_SECONDS = 1.25


class HandshakeError(OSError):
    """The TLS handshake failed: bad certificate, wrong host, no common version, connection cut, too late."""


class DeadlineSocket(socket.socket):
    """A TCP socket that keeps its deadline; None leaves its timeout unchanged."""

    deadline: float | None = None

    def arm(self) -> None:
        """Set the timeout to the time left; raise TimeoutError, without a system call, if there is none."""
        if self.deadline is None:
            return
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive before the deadline."""
        self.arm()
        return super().recv(buflen, flags)

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        """Send before the deadline; the TLS socket's `sendall` sends through this."""
        self.arm()
        return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0, /) -> None:
        """Send all of `data` before the deadline."""
        self.arm()
        super().sendall(data, flags)


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """A TLS socket that keeps its deadline; created by `secure`."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive before the deadline.

        If the connection was reset before the handshake, SSLContext.wrap_socket receives before there is a
        deadline, and leaks the open socket when that fails: so the socket closes itself.
        """
        try:
            return super().recv(buflen, flags)
        except OSError:
            if self.deadline is None:
                self.close()
            raise


def connect(host: str, port: int, deadline: float) -> DeadlineSocket:
    """Connect to the first address of `host` that accepts, within CONNECT_SECONDS and the deadline in all.

    Raises OSError: TimeoutError, ConnectionRefusedError, socket.gaierror if the name is not resolved in time.
    """
    deadline = min(deadline, monotonic() + CONNECT_SECONDS)
    failure: OSError = TimeoutError()
    addresses = resolve(host, port, deadline)
    for tried, address in enumerate(addresses):
        # An address that drops packets must leave time for those after it.
        left = deadline - monotonic()
        share = left / min(len(addresses) - tried, 3)
        try:
            return _connect(address, monotonic() + share)
        except OSError as error:
            failure = error
    raise failure


def _connect(address: Address, deadline: float) -> DeadlineSocket:
    family, kind, protocol, _, where = address
    sock = DeadlineSocket(family, kind, protocol)
    try:
        sock.deadline = deadline
        sock.arm()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(where)
        refuse_itself(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def refuse_itself(sock: socket.socket) -> None:
    """Raise ConnectionRefusedError for a socket that is connected to itself.

    TCP does that (RFC 9293 section 3.5, simultaneous open) if nothing listens on a local port and the system
    assigns this very port to the socket.
    """
    if sock.getsockname() == sock.getpeername():
        raise ConnectionRefusedError


def tls_context() -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer that verifies certificate and host name by the default trust store."""
    context = ssl.create_default_context()
    # RFC 9110 section 4.3.4: the common name is ignored.
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = DeadlineTLSSocket
    return context


def secure(sock: DeadlineSocket, context: ssl.SSLContext, host: str, deadline: float) -> DeadlineTLSSocket:
    """Perform the TLS handshake with the peer, known as `host`, before the deadline.

    Raises HandshakeError, with `sock` closed. Afterwards an end of the stream without a close_notify is an error,
    not an end (RFC 8446, 6.1).
    """
    try:
        # Wrapping takes over the descriptor and the timeout of `sock`; the handshake is one call.
        sock.deadline = deadline
        sock.arm()
        # Names in certificates have no trailing dot; the host of a URL may have one.
        name = host.removesuffix(".")
        wrapped = context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)
    except (OSError, ValueError) as error:
        sock.close()
        raise HandshakeError from error
    if not isinstance(wrapped, DeadlineTLSSocket) or not wrapped.version():
        # wrap_socket silently leaves a socket plain that is no longer connected.
        wrapped.close()
        raise HandshakeError
    return wrapped
