"""The same promises behind sentinels and on a cluster."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.stores import Store, StoreLostError
from app.stores.opening import open_store
from tests.unit.stores.hammer import Hammer
from tests.unit.stores.servers import Server, clustered, tell, wait_for, watched, works

pytestmark = [pytest.mark.enable_socket, pytest.mark.system]

LONG = 2.0


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        yield Path(name)


@pytest.fixture
def pair(place: Path) -> Iterator[tuple[Server, Server]]:
    with watched(place) as servers:
        yield servers


@pytest.fixture
def nodes(place: Path) -> Iterator[list[Server]]:
    with clustered(place) as servers:
        yield servers


def sentinel_url(sentinel: Server, before: str = "") -> str:
    return f"redis+sentinel://{before}{sentinel.address}/main"


def cluster_url(nodes: list[Server]) -> str:
    return f"redis+cluster://{','.join(node.address for node in nodes)}"


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The store of the `pair` or the `nodes` that the test names."""
    if request.param == "sentinel":
        url = sentinel_url(request.getfixturevalue("pair")[1])
    else:
        url = cluster_url(request.getfixturevalue("nodes"))
    opened = open_store(url)
    yield opened
    opened.close()


on_a_sentinel = pytest.mark.parametrize("store", ["sentinel"], indirect=True)
on_a_cluster = pytest.mark.parametrize("store", ["cluster"], indirect=True)


def lost(store: Store, key: str = "a") -> str:
    """The word with which the store is lost; soon, or the test fails."""
    began = time.monotonic()
    with pytest.raises(StoreLostError) as caught:
        store.hit(key, 30, 60)
    assert time.monotonic() - began < LONG
    return str(caught.value)


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_processes_share_one_window(kind: str, request: pytest.FixtureRequest, key: str) -> None:
    """Of 400 hits from 4 processes exactly 30 are admitted."""
    if kind == "sentinel":
        url = sentinel_url(request.getfixturevalue("pair")[1])
    else:
        url = cluster_url(request.getfixturevalue("nodes"))
    done = Hammer(url, key, limit=30, window=60, hits=100, seconds=30, threads=4, warm=True).processes(4)

    assert len(done) == 400
    assert sorted(hit.remaining for hit in done if hit.admitted) == [*range(30)]


@on_a_sentinel
def test_a_hung_master_is_a_lost_store(store: Store, pair: tuple[Server, Server]) -> None:
    """An open connection and a new one both give up soon; the store is back with the master."""
    store.hit("a", 30, 60)
    pair[0].pause()
    words = [lost(store), lost(store)]
    pair[0].resume()
    wait_for(lambda: works(store))

    assert words == ["no answer in time"] * 2
    assert store.hit("b", 30, 60).remaining == 29


def test_sentinels_that_hang_cost_one_wait_in_all(pair: tuple[Server, Server], place: Path) -> None:
    """However many sentinels do not answer, a call waits once, not once for each of them."""
    with Server(place / "other", "--save", "") as other:
        others = ",".join([other.address] * 40)
        store = open_store(sentinel_url(pair[1], f"{others},"))
        other.pause()
        began = time.monotonic()
        works(store)
        took = time.monotonic() - began
        store.close()

    assert took < LONG


@on_a_sentinel
def test_a_dead_sentinel_does_not_matter_to_open_connections(store: Store, pair: tuple[Server, Server]) -> None:
    """Sentinels are asked for a new connection only."""
    store.hit("a", 30, 60)
    pair[1].kill()

    assert store.hit("a", 30, 60).remaining == 28


@on_a_cluster
def test_keys_are_spread_over_the_nodes(store: Store, nodes: list[Server]) -> None:
    """Every node decides for the users whose slots it has, and `probe` asks each of them."""
    store.probe()
    for number in range(60):
        assert store.hit(f"user:{number}", 30, 60).remaining == 29

    assert all(int(str(tell(node, "DBSIZE"))) > 5 for node in nodes)


@on_a_cluster
def test_a_hung_node_is_a_lost_store(store: Store, nodes: list[Server]) -> None:
    """The other nodes are not asked while the hit waits, and `probe` finds the one that hangs."""
    keys = {_owner(nodes, f"user:{number}"): f"user:{number}" for number in range(50)}
    for key in keys.values():
        store.hit(key, 30, 60)
    nodes[1].pause()
    word = lost(store, keys[1])
    works_without_it = works(store)
    nodes[1].resume()
    wait_for(lambda: works(store))

    assert word == "no answer in time"
    assert works_without_it is False


@on_a_cluster
def test_a_cluster_that_hangs_costs_one_wait_in_all(store: Store, nodes: list[Server]) -> None:
    """Not one for each node, neither with a known topology nor when it has to be asked for."""
    store.hit("a", 30, 60)
    for node in nodes:
        node.pause()
    words = [lost(store), lost(store)]
    for node in nodes:
        node.resume()
    wait_for(lambda: works(store))

    assert words[0] == "no answer in time"


@on_a_cluster
def test_a_slot_that_moved_is_followed(store: Store, nodes: list[Server]) -> None:
    """A hit on a slot with a new owner is decided there, without a lost store."""
    slot = int(str(tell(nodes[0], "CLUSTER KEYSLOT", "send-message:window:a")))
    old = next(number for number in range(3) if 16384 * (number + 1) // 3 > slot)
    new = (old + 1) % 3
    assert store.hit("b", 30, 60).admitted
    owner = bytes(tell(nodes[new], "CLUSTER MYID")).decode()  # type: ignore[call-overload]  # as Redis answers
    for node in (nodes[new], nodes[old]):
        tell(node, "CLUSTER SETSLOT", slot, "NODE", owner)

    assert [store.hit("a", 30, 60).remaining for _ in range(3)] == [29, 28, 27]


@on_a_cluster
def test_a_cluster_without_a_node_is_a_lost_store(store: Store, nodes: list[Server]) -> None:
    """A cluster that does not cover its slots refuses; that is no 500."""
    store.hit("a", 30, 60)
    nodes[2].kill()
    wait_for(lambda: "cluster_state:fail" in str(tell(nodes[0], "CLUSTER INFO")))

    assert lost(store)
    assert works(store) is False


def _owner(nodes: list[Server], key: str) -> int:
    slot = int(str(tell(nodes[0], "CLUSTER KEYSLOT", f"send-message:window:{key}")))
    return next(number for number in range(3) if 16384 * (number + 1) // 3 > slot)
