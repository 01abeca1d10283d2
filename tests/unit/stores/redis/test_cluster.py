"""The same promises on a cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from app.stores import Store
from app.stores.redis import WINDOW_PREFIX
from tests.unit.stores.hammer import Hammer
from tests.unit.stores.losses import lost
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import (
    Server,
    cluster_url,
    clustered,
    tell,
    wait_for,
    works,
)

pytestmark = [pytest.mark.enable_socket, pytest.mark.system]


@pytest.fixture(scope="module")
def nodes(place: Path) -> Iterator[list[Server]]:
    """A cluster, which every test leaves as it found it."""
    with clustered(place) as servers:
        yield servers


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """In the same slot each time: in that of another test's key, where chance may put it, a slot cannot move."""
    return str(request.node.name)


@pytest.fixture
def store(nodes: list[Server]) -> Iterator[Store]:
    opened = open_store(cluster_url(nodes))
    yield opened
    opened.close()


def test_processes_share_one_window(nodes: list[Server], key: str) -> None:
    """Of 400 hits from 4 processes exactly 30 are admitted."""
    done = Hammer(cluster_url(nodes), key, limit=30, window=60, hits=100, seconds=30, threads=4).processes(4)

    assert len(done) == 400
    assert sorted(hit.remaining for hit in done if hit.admitted) == [*range(30)]


def test_keys_are_spread_over_the_nodes(store: Store, nodes: list[Server], key: str) -> None:
    """Every node decides for the users whose slots it has, and `probe` asks each of them."""
    store.probe()
    for number in range(60):
        assert store.hit(f"{key}:{number}", 30, 60).remaining == 29

    kept = [str(tell(node, "KEYS", "*")) for node in nodes]
    assert ["(probe)" in keys and keys.count(key) > 5 for keys in kept] == [True] * 3


def test_a_hung_node_is_a_lost_store(store: Store, nodes: list[Server], key: str) -> None:
    """The other nodes are not asked while the hit waits, and `probe` finds the one that hangs."""
    keys = {_owner(f"{key}:{number}"): f"{key}:{number}" for number in range(50)}
    for each in keys.values():
        store.hit(each, 30, 60)
    nodes[1].pause()
    word = lost(store, keys[1])
    works_without_it = works(store)
    nodes[1].resume()
    wait_for(lambda: works(store))

    assert word == "TimeoutError"
    assert works_without_it is False


def test_a_cluster_that_hangs_costs_one_wait_in_all(store: Store, nodes: list[Server], key: str) -> None:
    """Not one for each node, neither with a known topology nor when it has to be asked for."""
    store.hit(key, 30, 60)
    for node in nodes:
        node.pause()
    words = [lost(store, key), lost(store, key)]
    for node in nodes:
        node.resume()
    wait_for(lambda: works(store))

    assert words == ["TimeoutError", "ConnectionError"]


def test_a_slot_that_moves_is_followed(store: Store, nodes: list[Server], key: str) -> None:
    """While it moves and after it, hits are decided where its keys are, without a lost store."""
    slot = key_slot(f"{WINDOW_PREFIX}{key}".encode())
    old = _owner(key)
    new = (old + 1) % 3
    names = [bytes(tell(node, "CLUSTER MYID")).decode() for node in nodes]  # type: ignore[call-overload]  # as Redis answers
    store.probe()
    tell(nodes[new], "CLUSTER SETSLOT", slot, "IMPORTING", names[old])
    tell(nodes[old], "CLUSTER SETSLOT", slot, "MIGRATING", names[new])
    while_it_moves = [store.hit(key, 30, 60).remaining for _ in range(2)]
    for number in (new, old, 3 - new - old):
        tell(nodes[number], "CLUSTER SETSLOT", slot, "NODE", names[new])
    tell(nodes[old], "CONFIG RESETSTAT")
    afterwards = [store.hit(key, 30, 60).remaining for _ in range(2)]

    assert while_it_moves + afterwards == [29, 28, 27, 26]
    assert "errorstat_MOVED:count=1\\r" in str(tell(nodes[old], "INFO errorstats"))


def test_nodes_that_name_no_host_mean_their_own(store: Store, nodes: list[Server], key: str) -> None:
    """As they do behind a port forwarding (`cluster-preferred-endpoint-type unknown-endpoint`)."""
    slot = key_slot(f"{WINDOW_PREFIX}{key}".encode())
    old = _owner(key)
    new = (old + 1) % 3
    name = bytes(tell(nodes[new], "CLUSTER MYID")).decode()  # type: ignore[call-overload]  # as Redis answers
    for node in nodes:
        tell(node, "CONFIG SET", "cluster-preferred-endpoint-type", "unknown-endpoint")
    store.probe()
    for number in (new, old, 3 - new - old):
        tell(nodes[number], "CLUSTER SETSLOT", slot, "NODE", name)
    moved = [store.hit(key, 30, 60).remaining for _ in range(2)]
    for node in nodes:
        tell(node, "CONFIG SET", "cluster-preferred-endpoint-type", "ip")

    assert moved == [29, 28]


def test_a_cluster_that_lacks_a_slot_is_a_lost_store(store: Store, nodes: list[Server], key: str) -> None:
    """A node that refuses because somebody else is missing is no 500, and the store is back with the slot."""
    slot = key_slot(f"{WINDOW_PREFIX}{key}".encode())
    store.hit(f"{key}0", 30, 60)
    tell(nodes[_owner(key)], "CLUSTER DELSLOTS", slot)
    words = [lost(store, key), lost(store, key)]
    tell(nodes[_owner(key)], "CLUSTER ADDSLOTS", slot)
    wait_for(lambda: works(store))

    assert words == ["ClusterDownError"] * 2
    assert store.hit(key, 30, 60).remaining == 29


def _owner(key: str) -> int:
    slot = key_slot(f"{WINDOW_PREFIX}{key}".encode())
    return next(number for number in range(3) if 16384 * (number + 1) // 3 > slot)
