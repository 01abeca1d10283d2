"""redis-py's clients as this service wants them: bounded, without retries, saying nothing but commands."""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import ConnectionPool
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from app.stores.redis.deadline import (
    BoundedConnection,
    BoundedMasterConnection,
    BoundedSocketConnection,
    BoundedTlsConnection,
    BoundedTlsMasterConnection,
)
from app.stores.urls import StoreUrl

# A thread holds a connection for one exchange, so there are never more than threads; redis-py's own limit of
# 100 would look like a lost store.
_MOST_CONNECTIONS = 10_000


class _MasterPool(SentinelConnectionPool):
    """Connections to the master, which also answers for those to its sentinels."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - as redis-py calls it
        super().disconnect(inuse_connections)
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.connection_pool.disconnect(inuse_connections)


def server_of(url: StoreUrl) -> redis.Redis:
    """A client of one server, by TCP, TLS or a socket; connects when it is used."""
    if url.path:
        place: dict[str, Any] = {"connection_class": BoundedSocketConnection, "path": url.path}
    else:
        host, port = url.addresses[0]
        place = {"connection_class": _tcp(url), "host": host, "port": port}
    return redis.Redis(connection_pool=ConnectionPool(**_data(url), **place, db=url.db))


def master_of(url: StoreUrl) -> redis.Redis:
    """A client of the master that the sentinels at `url` name; connects when it is used.

    The credential is for the master; the sentinels' own is in `sentinel_username` and `sentinel_password`.
    """
    # Sentinel itself would make its clients with retries and unbounded connections.
    manager = Sentinel([])  # type: ignore[no-untyped-call]  # redis-py
    manager.sentinels = [_sentinel(url, host, port) for host, port in url.addresses]
    kind = BoundedTlsMasterConnection if url.tls else BoundedMasterConnection
    options: dict[str, Any] = {**_data(url), "connection_class": kind, "db": url.db}
    pool = _MasterPool(url.service, manager, **options)  # type: ignore[no-untyped-call]  # redis-py
    return redis.Redis(connection_pool=pool)


def cluster_of(url: StoreUrl) -> redis.RedisCluster:
    """A client of the cluster to which the servers at `url` belong; asks them at once for its topology.

    Raises redis.exceptions.RedisClusterException, which is no RedisError, when none of them answers.
    """
    (host, port), *others = url.addresses
    options = _data(url)
    # Only a cluster that is given a URL passes a connection class on, and it wants its retries apart.
    return redis.RedisCluster(
        url=f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}",
        startup_nodes=[ClusterNode(*address) for address in others],  # type: ignore[no-untyped-call]  # redis-py
        retry=options.pop("retry"),
        connection_class=_tcp(url),
        **options,
    )


def _sentinel(url: StoreUrl, host: str, port: int) -> redis.Redis:
    options = {
        **_data(url),
        "connection_class": _tcp(url),
        "username": url.options.get("sentinel_username"),
        "password": url.options.get("sentinel_password"),
    }
    return redis.Redis(connection_pool=ConnectionPool(**options, host=host, port=port))


def _data(url: StoreUrl) -> dict[str, Any]:
    # redis-py would try a command ten times; RESP2 needs no HELLO; without driver_info there is no CLIENT SETINFO.
    return {
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
        "max_connections": _MOST_CONNECTIONS,
        "username": url.username,
        "password": url.password,
        **{name: value for name, value in url.options.items() if name.startswith("ssl_")},
    }


def _tcp(url: StoreUrl) -> type[BoundedConnection | BoundedTlsConnection]:
    return BoundedTlsConnection if url.tls else BoundedConnection
