"""The same promises behind sentinels and on a cluster."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.crc import key_slot

from app.stores import ClaimState, Store, StoreLostError
from app.stores.redis import WINDOW_PREFIX
from app.stores.redis.sentinels import BELIEVED_SECONDS
from tests.unit.stores.hammer import Hammer
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import (
    Server,
    cluster_url,
    clustered,
    is_master,
    replicated,
    sentinel_url,
    tell,
    wait_for,
    watched,
    works,
)

pytestmark = [pytest.mark.enable_socket, pytest.mark.system]

LONG = 2.0


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def pair(place: Path) -> Iterator[tuple[Server, Server]]:
    """A master and its sentinel, which every test leaves as it found them."""
    with watched(place) as servers:
        yield servers


@pytest.fixture(scope="module")
def nodes(place: Path) -> Iterator[list[Server]]:
    """A cluster, which every test leaves as it found it."""
    with clustered(place) as servers:
        yield servers


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


def lost(store: Store, key: str) -> str:
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
    done = Hammer(url, key, limit=30, window=60, hits=100, seconds=30, threads=4).processes(4)

    assert len(done) == 400
    assert sorted(hit.remaining for hit in done if hit.admitted) == [*range(30)]


@on_a_sentinel
def test_a_hung_master_is_a_lost_store(store: Store, pair: tuple[Server, Server], key: str) -> None:
    """An open connection and a new one both give up soon; the store is back with the master."""
    store.hit(key, 30, 60)
    pair[0].pause()
    words = [lost(store, key), lost(store, key)]
    pair[0].resume()
    wait_for(lambda: works(store))

    assert words == ["TimeoutError"] * 2
    assert store.hit(f"{key}0", 30, 60).remaining == 29


def test_a_sentinel_that_answers_is_found(pair: tuple[Server, Server], place: Path, key: str) -> None:
    """Sentinels that hang cost a part of one call's time, however many they are, and do not hide the others."""
    with Server(place / "other", "--save", "") as other:
        others = ",".join([other.address] * 3)
        store = open_store(sentinel_url(pair[1], f"{others},"))
        other.pause()
        remaining = store.hit(key, 30, 60).remaining
        store.close()

    assert remaining == 29


def test_most_sentinels_are_believed(place: Path, key: str) -> None:
    """One that was restarted names the master of before its end until the others have told it."""
    with watched(place / "former") as (former, behind), watched(place / "present") as (present, sentinel):
        store = open_store(f"redis+sentinel://{behind.address},{sentinel.address},{sentinel.address}/main")
        store.hit(key, 30, 60)
        store.close()
        kept = [tell(server, "EXISTS", f"{WINDOW_PREFIX}{key}") for server in (former, present)]

    assert kept == [0, 1]


def test_sentinels_that_hang_cost_one_wait_in_all(place: Path) -> None:
    """Not one for each of them."""
    with Server(place / "hung", "--save", "") as hung:
        store = open_store(sentinel_url(hung, f"{hung.address}," * 40))
        hung.pause()
        word = lost(store, "a")
        store.close()

    assert word == "ConnectionError"


@on_a_sentinel
def test_a_dead_sentinel_does_not_matter_to_open_connections(
    store: Store, pair: tuple[Server, Server], key: str
) -> None:
    """Not even when it is their turn to be asked again."""
    store.hit(key, 1000, 60)
    pair[1].pause()
    asked_by = time.monotonic() + BELIEVED_SECONDS
    wait_for(lambda: store.hit(key, 1000, 60).admitted and time.monotonic() > asked_by)
    pair[1].resume()

    assert store.hit(key, 1000, 60).admitted


@on_a_sentinel
def test_sentinels_are_asked_once_a_second(store: Store, pair: tuple[Server, Server], key: str) -> None:
    """Not with every hit: each time they are asked on a new connection."""

    def received() -> int:
        with pair[1].client() as client:
            return int(client.info("stats")["total_connections_received"])

    store.probe()
    before, began = received(), time.monotonic()
    for _ in range(50):
        store.hit(key, 1000, 60)
    # The test's own connection counts as well.
    assert received() - before - 1 <= 1 + (time.monotonic() - began) / BELIEVED_SECONDS


def test_a_master_that_comes_back_is_not_believed(place: Path) -> None:
    """Before the sentinels have told it, it takes claims like a master, and forgets them when it is told.

    The sentinels are asked before each connection: by who was idle when the master went, and by new ones.
    """
    with replicated(place / "failover") as (master, replica, sentinel):
        busy, idle = (open_store(sentinel_url(sentinel)) for _ in range(2))
        idle.probe()
        master.kill()
        wait_for(lambda: is_master(replica))
        wait_for(lambda: works(busy))
        first = busy.claim("key", "fingerprint", "first", lease=60, again=False)
        master.start()
        second = idle.claim("key", "fingerprint", "second", lease=60, again=False)
        busy.close()
        idle.close()

    assert (first.state, second.state) == (ClaimState.NEW, ClaimState.IN_PROGRESS)


def test_a_master_that_is_replaced_while_it_runs_is_left(place: Path) -> None:
    """SENTINEL FAILOVER leaves it a master for some ten seconds, which then forgets what it was told in them."""
    with replicated(place / "planned") as (master, replica, sentinel):
        store = open_store(sentinel_url(sentinel))
        store.probe()
        tell(sentinel, "SENTINEL FAILOVER", "main")
        wait_for(lambda: str(replica.port) in str(tell(sentinel, "SENTINEL GET-MASTER-ADDR-BY-NAME", "main")))
        wait_for(lambda: store.hit("a", 1000, 60).admitted and tell(replica, "EXISTS", f"{WINDOW_PREFIX}a") == 1)
        takes_itself_for_a_master = is_master(master)
        store.close()

    assert takes_itself_for_a_master


@on_a_cluster
def test_keys_are_spread_over_the_nodes(store: Store, nodes: list[Server], key: str) -> None:
    """Every node decides for the users whose slots it has, and `probe` asks each of them."""
    store.probe()
    for number in range(60):
        assert store.hit(f"{key}:{number}", 30, 60).remaining == 29

    kept = [str(tell(node, "KEYS", "*")) for node in nodes]
    assert ["(probe)" in keys and keys.count(key) > 5 for keys in kept] == [True] * 3


@on_a_cluster
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


@on_a_cluster
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


@on_a_cluster
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


@on_a_cluster
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


@on_a_cluster
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
