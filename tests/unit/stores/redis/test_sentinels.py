"""The same promises behind sentinels."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.stores import ClaimState, Store
from app.stores.redis import WINDOW_PREFIX
from app.stores.redis.sentinels import BELIEVED_SECONDS
from tests.unit.stores.hammer import Hammer
from tests.unit.stores.losses import lost
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import (
    Server,
    is_master,
    replicated,
    sentinel_url,
    tell,
    wait_for,
    watched,
    works,
)

pytestmark = [pytest.mark.enable_socket, pytest.mark.system]


@pytest.fixture(scope="module")
def pair(place: Path) -> Iterator[tuple[Server, Server]]:
    """A master and its sentinel, which every test leaves as it found them."""
    with watched(place) as servers:
        yield servers


@pytest.fixture
def store(pair: tuple[Server, Server]) -> Iterator[Store]:
    opened = open_store(sentinel_url(pair[1]))
    yield opened
    opened.close()


def test_processes_share_one_window(pair: tuple[Server, Server], key: str) -> None:
    """Of 400 hits from 4 processes exactly 30 are admitted."""
    done = Hammer(sentinel_url(pair[1]), key, limit=30, window=60, hits=100, seconds=30, threads=4).processes(4)

    assert len(done) == 400
    assert sorted(hit.remaining for hit in done if hit.admitted) == [*range(30)]


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
