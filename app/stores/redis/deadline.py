"""One limit of time for all that a call says to any number of servers.

redis-py's timeouts hold for a single read. A call can need several, and of several servers: sentinels are asked
in turn, a lost cluster node makes it ask the others. So each connect and read gets what is left of the call.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

# Zero would make a socket non-blocking.
_LEAST = 0.001


class _Call(threading.local):
    ends = 0.0


_call = _Call()


@contextmanager
def seconds(allowed: float) -> Iterator[None]:
    """All exchanges of this thread in the block share `allowed` seconds; looking up a name is not included."""
    _call.ends = time.monotonic() + allowed
    yield


def left() -> float:
    """What is left of the call of this thread, in seconds."""
    return max(_LEAST, _call.ends - time.monotonic())


class _Bounded(AbstractConnection):
    """Gives a connect, with its TLS and AUTH, and every read what is left."""

    def connect_check_health(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed through
        self.socket_connect_timeout = self.socket_timeout = left()
        super().connect_check_health(*arguments, **options)

    def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - passed through
        options["timeout"] = left()
        return super().read_response(*arguments, **options)


class BoundedConnection(_Bounded, Connection):
    """TCP."""


class BoundedTlsConnection(_Bounded, SSLConnection):
    """TLS over TCP."""


class BoundedSocketConnection(_Bounded, UnixDomainSocketConnection):
    """A Unix domain socket."""


class BoundedMasterConnection(_Bounded, SentinelManagedConnection):
    """TCP, to the master that the sentinels name."""


class BoundedTlsMasterConnection(_Bounded, SentinelManagedSSLConnection):
    """TLS over TCP, to the master that the sentinels name."""
