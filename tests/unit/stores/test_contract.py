"""What every store promises, whatever it keeps its windows in."""

import threading
import time

import pytest

from app.stores import Decision, Store
from tests.unit.stores.hammer import Hammer, Hit
from tests.unit.stores.opened import open_store

pytestmark = pytest.mark.enable_socket

A_MILLISECOND = 0.001


def hits(store: Store, key: str, count: int, limit: int = 30, window: int = 60) -> list[Decision]:
    return [store.hit(key, limit, window) for _ in range(count)]


def test_as_many_as_the_limit_are_admitted(store: Store, key: str) -> None:
    """Of 35 hits at once exactly the first 30 are admitted, and each is told what is left."""
    decisions = hits(store, key, 35)

    assert [decision.admitted for decision in decisions] == [True] * 30 + [False] * 5
    assert [decision.remaining for decision in decisions] == [*range(29, -1, -1), 0, 0, 0, 0, 0]
    assert {decision.limit for decision in decisions} == {30}


def test_a_decision_says_when_the_next_slot_frees(store: Store, key: str) -> None:
    """The first admission's slot frees one window after it, in whole seconds rounded up, however many follow."""
    before = time.time()
    first, *others = hits(store, key, 31)

    assert before + 60 - A_MILLISECOND <= first.reset_at <= time.time() + 61
    assert {decision.reset_at for decision in others} == {first.reset_at}
    # A store whose clock has milliseconds keeps a window a millisecond longer.
    assert 59 <= others[-1].retry_after <= 61


def test_a_hit_that_may_be_repeated_at_once_is_told_one_second(store: Store, key: str) -> None:
    """`retry_after` is never less than 1."""
    assert store.hit(key, 30, 60).retry_after == 1


def test_waiting_retry_after_is_enough(store: Store, key: str) -> None:
    """A refused hit is admitted when its caller waited exactly as long as it was told."""
    hits(store, key, 2, limit=2, window=1)
    refused = store.hit(key, 2, 1)

    time.sleep(refused.retry_after)

    assert not refused.admitted
    assert store.hit(key, 2, 1).admitted


def test_keys_do_not_touch_each_other(store: Store, key: str) -> None:
    """A full window leaves all other keys their whole limit, also those that begin alike."""
    hits(store, key, 31)

    assert store.hit(f"{key}0", 30, 60).remaining == 29
    assert store.hit(key[:-1], 30, 60).remaining == 29


@pytest.mark.parametrize("strange", ["", "ü☃", "a b\n", "'; --", "{a}{b}", "x" * 2000])
def test_a_key_is_any_text(store: Store, key: str, strange: str) -> None:
    """No character means anything to a store."""
    assert [decision.admitted for decision in hits(store, key + strange, 2, limit=1)] == [True, False]


def test_a_lowered_limit_holds_at_once(store: Store, key: str) -> None:
    """With 20 admitted of 30, a limit of 10 refuses; its caller waits until the 10th latest leaves."""
    hits(store, key, 20)
    refused = store.hit(key, 10, 60)

    assert (refused.admitted, refused.limit, refused.remaining) == (False, 10, 0)


def test_a_raised_limit_holds_at_once(store: Store, key: str) -> None:
    """A window that is full for 10 has 20 left when the limit becomes 30."""
    hits(store, key, 11, limit=10)

    assert [decision.remaining for decision in hits(store, key, 21)] == [*range(19, -1, -1), 0]


def test_a_refusal_costs_nothing(store: Store, key: str) -> None:
    """Hits that are refused do not postpone the next admission."""
    hits(store, key, 1, limit=1, window=1)
    first_refusal = store.hit(key, 1, 1)
    hits(store, key, 50, limit=1, window=1)

    assert store.hit(key, 1, 1).reset_at == first_refusal.reset_at


def test_probe_finds_a_store_that_works(store: Store) -> None:
    """`probe` returns, twice in a row too, while hits are decided."""
    store.probe()
    store.probe()


def test_a_closed_store_can_be_used_again(store: Store, key: str) -> None:
    """`close` lets go of connections and of nothing else."""
    store.hit(key, 30, 60)
    store.close()

    assert store.hit(key, 30, 60).remaining == 28


def test_threads_share_one_window(store: Store, key: str) -> None:
    """16 threads with 25 hits each get exactly 30 admissions, with 29 to 0 left once each."""
    decisions: list[Decision] = []
    start = threading.Barrier(16)

    def thread() -> None:
        start.wait()
        decisions.extend(hits(store, key, 25))

    threads = [threading.Thread(target=thread) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(decision.remaining for decision in decisions if decision.admitted) == [*range(30)]
    assert len(decisions) == 400


def test_processes_share_one_window(shared_url: str, key: str) -> None:
    """Of 800 hits from 4 processes that make the store together, exactly 30 are admitted, 29 to 0 left."""
    done = Hammer(shared_url, key, limit=30, window=60, hits=200, seconds=30, threads=4).processes(4)

    assert len(done) == 800
    assert sorted(hit.remaining for hit in done if hit.admitted) == [*range(30)]


def test_no_window_ever_holds_more(shared_url: str, key: str) -> None:
    """However hard 3 processes try, any limit + 1 admissions lie further apart than a window."""
    done = Hammer(shared_url, key, limit=5, window=1, hits=100_000, seconds=2.2, threads=2).processes(3)
    admitted = sorted((hit for hit in done if hit.admitted), key=lambda hit: hit.after)

    assert 10 <= len(admitted) <= 15
    assert all(span(admitted[i : i + 6]) > 1 - A_MILLISECOND for i in range(len(admitted) - 5))


def span(neighbours: list[Hit]) -> float:
    """The longest that the decisions of these hits can lie apart."""
    return max(hit.after for hit in neighbours) - min(hit.before for hit in neighbours)


def test_windows_outlive_the_process(shared_url: str, key: str) -> None:
    """What one process was admitted counts for the next one."""
    Hammer(shared_url, key, limit=30, window=60, hits=10, seconds=30, threads=1).processes(1)
    store = open_store(shared_url)
    decision = store.hit(key, 30, 60)
    store.close()

    assert decision.remaining == 19
