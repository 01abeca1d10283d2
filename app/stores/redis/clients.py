"""How a script reaches the server that keeps its key: a single master, or the right node of a cluster."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import redis
from redis.cluster import ClusterNode
from redis.exceptions import AskError, MovedError, TryAgainError

from app.stores.processes import PerProcess
from app.stores.redis import deadline
from app.stores.redis.scripts import Script

# RedisClusterException, raised when no node knows the topology, is no RedisError.
LOST = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)


class Client(Protocol):
    """Runs scripts; `run` and `reach` raise one of LOST within the deadline of the call."""

    def run(self, script: Script, key: str, *arguments: int | str | bytes) -> Any:  # noqa: ANN401 - as Redis answers
        """The answer of `script` on `key`."""
        ...

    def reach(self, key: str) -> list[str]:
        """Keys that begin with `key`, at least one for each server on which scripts may run."""
        ...

    def drop(self) -> None:
        """Let go of connections that are not in use, and of what is believed about the servers."""
        ...


class MasterClient:
    """A single server, or the master that sentinels name; `connect` only constructs the client."""

    def __init__(self, connect: Callable[[], redis.Redis]) -> None:
        self._client = PerProcess(connect)

    def run(self, script: Script, key: str, *arguments: int | str | bytes) -> Any:  # noqa: ANN401 - as Redis answers
        """As `Client.run`."""
        return script.run(self._client.get(), key, *arguments)

    def reach(self, key: str) -> list[str]:
        """As `Client.reach`."""
        return [key]

    def drop(self) -> None:
        """As `Client.drop`: after a restart of the server every idle connection is dead."""
        self._client.get().connection_pool.disconnect(inuse_connections=False)


@dataclass(slots=True)
class _Topology:
    lock: threading.Lock = field(default_factory=threading.Lock)
    cluster: redis.RedisCluster | None = None


class ClusterClient:
    """A cluster; `connect` asks its nodes for the topology, so the first script of a process calls it.

    That takes some 15 ms, of processor time above all: a process that is busy from its first moment may not
    manage it within one call, so let it `probe` before it serves.

    RedisCluster serves as the map. Scripts go straight to the node of their key: its own `execute_command`
    sleeps 0.25 s when the cluster is down, and asks all the other nodes, one thread at a time, when one fails.
    """

    def __init__(self, connect: Callable[[], redis.RedisCluster]) -> None:
        self._connect = connect
        self._topology = PerProcess(_Topology)

    def run(self, script: Script, key: str, *arguments: int | str | bytes) -> Any:  # noqa: ANN401 - as Redis answers
        """As `Client.run`; follows a slot that has moved."""
        cluster = self._cluster()
        node = cluster.get_redis_connection(_owner(cluster, key))
        try:
            return script.run(node, key, *arguments)
        except (MovedError, AskError, TryAgainError):
            return script.run(cluster, key, *arguments)

    def reach(self, key: str) -> list[str]:
        """As `Client.reach`: one key for each node that has slots, found by trying hash tags."""
        cluster = self._cluster()
        owners = {nodes[0].name for nodes in cluster.nodes_manager.slots_cache.values()}
        found: dict[str, str] = {}
        candidates = (f"{key}{{{number}}}" for number in count())
        while len(found) < len(owners):
            candidate = next(candidates)
            found.setdefault(_owner(cluster, candidate).name, candidate)
        return list(found.values())

    def drop(self) -> None:
        """As `Client.drop`: the next script learns the topology anew."""
        topology = self._topology.get()
        cluster, topology.cluster = topology.cluster, None
        if cluster is not None:
            _disconnect(cluster)

    def _cluster(self) -> redis.RedisCluster:
        topology = self._topology.get()
        return topology.cluster or self._learn(topology)

    def _learn(self, topology: _Topology) -> redis.RedisCluster:
        if not topology.lock.acquire(timeout=deadline.left()):
            raise redis.TimeoutError
        try:
            if topology.cluster is None:
                topology.cluster = self._connect()
            return topology.cluster
        finally:
            topology.lock.release()


def _owner(cluster: redis.RedisCluster, key: str) -> ClusterNode:
    node: ClusterNode = cluster.get_node_from_key(key)  # type: ignore[no-untyped-call]  # redis-py
    return node


def _disconnect(cluster: redis.RedisCluster) -> None:
    # A connection closed while another thread reads from it would fail there with an AttributeError.
    for node in cluster.get_nodes():  # type: ignore[no-untyped-call]  # redis-py
        if node.redis_connection is not None:
            node.redis_connection.connection_pool.disconnect(inuse_connections=False)
