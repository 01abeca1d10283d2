"""From STORE_URL to the store that it names."""

from functools import partial

from app.stores import Store
from app.stores.memory import MemoryStore
from app.stores.redis import RedisStore
from app.stores.redis.clients import ClusterClient, MasterClient
from app.stores.redis.connecting import cluster_of, master_of, server_of
from app.stores.sqlite import SqliteStore
from app.stores.urls import MEMORY, SQLITE, parse_store_url


def check_store_url(url: str) -> None:
    """Raise ValueError, without repeating the URL, unless `open_store` can open it; touches nothing."""
    parse_store_url(url)


def open_store(url: str) -> Store:
    """The store that `url` names; nothing is connected or made before its first use.

    Raises ValueError as `check_store_url` does.
    """
    parsed = parse_store_url(url)
    if parsed.kind == SQLITE:
        return SqliteStore(parsed.path)
    if parsed.kind == MEMORY:
        return MemoryStore()
    if parsed.kind == "redis+cluster":
        return RedisStore(ClusterClient(partial(cluster_of, parsed)))
    connect = master_of if parsed.kind == "redis+sentinel" else server_of
    return RedisStore(MasterClient(partial(connect, parsed)))
