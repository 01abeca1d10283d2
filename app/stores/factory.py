"""Opening of the store that STORE_URL names."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from redis.connection import AbstractConnection, UnixDomainSocketConnection

from app.stores import Store
from app.stores.memory import MemoryStore
from app.stores.redis import RedisStore
from app.stores.redis.connections import NamedConnection, NamedTLSConnection, Trust
from app.stores.redis.servers import Address, Cluster, Sentinels, Servers
from app.stores.sqlite import SqliteStore

_KINDS = {"rediss": NamedTLSConnection, "redis+unix": UnixDomainSocketConnection}
# Older versions have no STRICT tables.
_OLDEST_SQLITE = (3, 37)


def open_store(scheme: str, known: Sequence[Address], service: str, options: Mapping[str, str]) -> Store:
    """Return the store for the parts of a STORE_URL; nothing is connected or created before its first use.

    `known` is the host and port of each server, or one path with port 0. Raises ValueError if this Python's SQLite
    is too old.
    """
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite":
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ValueError(f"Needs SQLite 3.37 or later, and this Python has {sqlite3.sqlite_version}.")
        return SqliteStore(known[0][0])
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
