"""Opening of a store in Redis or Valkey."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from redis.connection import AbstractConnection, UnixDomainSocketConnection

from app.stores import Store
from app.stores.redis import RedisStore
from app.stores.redis.connections import NamedConnection, NamedTLSConnection, Trust
from app.stores.redis.sentinels import Sentinels
from app.stores.redis.servers import Address, Cluster, Servers

_KINDS = {"rediss": NamedTLSConnection, "redis+unix": UnixDomainSocketConnection}


def open_store(scheme: str, known: Sequence[Address], service: str, options: Mapping[str, str]) -> Store:
    """Return the store for the parts of a STORE_URL, as `app.stores.factory.open_store` does."""
    given: dict[str, Any] = {**options, "db": int(options.get("db", 0))}
    if scheme == "rediss":
        given["trust"] = Trust(given.pop("ssl_ca_certs", None))
    connect = partial(_connection, _KINDS.get(scheme, NamedConnection), given)
    if scheme == "redis+sentinel":
        # The login is for the master, not for the sentinels.
        sentinels = Servers(partial(_connection, NamedConnection, {}), known)
        return RedisStore(Sentinels(connect, sentinels, service))
    return RedisStore((Cluster if scheme == "redis+cluster" else Servers)(connect, known))


def _connection(kind: type[AbstractConnection], options: dict[str, Any], address: Address) -> AbstractConnection:
    host, port = address
    place: dict[str, Any] = {"host": host, "port": port} if port else {"path": host}
    # RESP2 needs no HELLO; without driver_info there is no CLIENT SETINFO.
    return kind(protocol=2, driver_info=None, **place, **options)
