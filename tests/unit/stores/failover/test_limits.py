"""What limits hits while the shared store is lost."""

import threading

import pytest

from app.stores import Decision
from app.stores.failover import FailoverStore
from tests.unit.stores.shared import NEVER, Shared, probers


def test_the_shared_store_decides(store: FailoverStore, shared: Shared) -> None:
    """While it is there, nothing is decided here and no thread runs."""
    assert store.hit("a", 30, 60).remaining == 29
    assert (store.degraded, shared.asked, probers()) == (False, 1, [])


def test_each_process_keeps_its_share(patient_store: FailoverStore, shared: Shared) -> None:
    """Without a store one of 4 processes admits 7 of 30, and names the limit that all of them hold together."""
    shared.lost = True
    decisions = [patient_store.hit("a", 30, 60) for _ in range(9)]

    assert [decision.admitted for decision in decisions] == [True] * 7 + [False] * 2
    assert [decision.remaining for decision in decisions] == [6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert {decision.limit for decision in decisions} == {30}
    assert patient_store.degraded


def test_a_share_is_at_least_one(shared: Shared) -> None:
    """More processes than hits in a limit do not lock everybody out."""
    store = FailoverStore(shared, processes=64, probe_every=NEVER)
    shared.lost = True
    decisions = [store.hit("a", 30, 60) for _ in range(2)]
    store.close()

    assert [decision.admitted for decision in decisions] == [True, False]


def test_a_lost_store_is_not_asked_by_hits(patient_store: FailoverStore, shared: Shared) -> None:
    """Only the first hit waits for the store; the rest are decided at once."""
    shared.lost = True
    for _ in range(10):
        patient_store.hit("a", 30, 60)

    assert shared.asked == 1


def test_hits_in_flight_together_lose_the_store_once(
    patient_store: FailoverStore, shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    """8 threads that fail at the same moment are all answered; there is one log line and one thread."""
    shared.lost = True
    shared.all_here = threading.Barrier(8)
    decisions: list[Decision] = []
    threads = [threading.Thread(target=lambda: decisions.append(patient_store.hit("a", 30, 60))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(decision.remaining for decision in decisions) == [0, 0, 1, 2, 3, 4, 5, 6]
    assert [record.message for record in caplog.records] == [
        "store lost: out of reach; this process admits 1/4 of each limit"
    ]
    assert len(probers()) == 1
