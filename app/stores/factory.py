"""Opening of the store that STORE_URL names."""

import sqlite3
from collections.abc import Mapping, Sequence
from importlib import import_module

from app.stores import Store
from app.stores.memory import MemoryStore
from app.stores.sqlite import SqliteStore

# Older versions have no STRICT tables.
_OLDEST_SQLITE = (3, 37)


def open_store(scheme: str, known: Sequence[tuple[str, int]], service: str, options: Mapping[str, str]) -> Store:
    """Return the store for the parts of a STORE_URL; nothing is connected or created before its first use.

    `known` is the host and port of each server, or one path with port 0. Raises ValueError if this Python's SQLite
    is too old, or `ssl_ca_certs` cannot be read.
    """
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite":
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ValueError(f"Needs SQLite 3.37 or later, and this Python has {sqlite3.sqlite_version}.")
        return SqliteStore(known[0][0])
    # Loaded only where it is used: with redis-py a worker starts 75 ms later, and takes 7 MB more.
    store: Store = import_module("app.stores.redis.factory").open_store(scheme, known, service, options)
    return store
