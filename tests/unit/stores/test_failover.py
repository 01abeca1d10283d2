"""A shared store that is lost and comes back, and what its users notice."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.errors import Outcome
from app.stores import Claim, ClaimState, Decision, StoreLostError, UnreadableRecordError
from app.stores.failover import FailoverStore
from config.logs import JsonFormatter
from tests.unit.stores.servers import wait_for
from tests.unit.stores.shared import NEVER, SOON, Shared, probers

SETTLED: dict[str, Outcome] = {"sent": "sent", "refused": "not_sent"}


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def store(shared: Shared) -> Iterator[FailoverStore]:
    opened = FailoverStore(shared, processes=4, probe_every=SOON)
    yield opened
    opened.close()


@pytest.fixture
def patient_store(shared: Shared) -> Iterator[FailoverStore]:
    """One that does not notice by itself that the shared store is back."""
    opened = FailoverStore(shared, processes=4, probe_every=NEVER)
    yield opened
    opened.close()


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


def test_no_process_decides_alone_about_a_key(patient_store: FailoverStore, shared: Shared) -> None:
    """While the store is lost no key is given out or settled, although the memory here could do both."""
    shared.lost = True
    patient_store.hit("a", 30, 60)
    with pytest.raises(StoreLostError):
        patient_store.claim("key", "fingerprint", "owner", lease=60, again=False)
    with pytest.raises(StoreLostError):
        patient_store.settle("key", "fingerprint", "owner", "sent", b"answer")


def test_an_outcome_is_recorded_where_the_store_was_away_for_a_moment(
    patient_store: FailoverStore, shared: Shared
) -> None:
    """It is tried, though nobody has noticed yet that the store is back: else the key would stay taken."""
    patient_store.claim("key", "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    patient_store.hit("a", 30, 60)
    shared.lost = False
    patient_store.settle("key", "fingerprint", "owner", "sent", b"answer")

    assert patient_store.degraded
    assert shared.claim("key", "fingerprint", "another", lease=60, again=False).answer == b"answer"


def test_a_claim_whose_answer_was_lost_is_given_back(store: FailoverStore, shared: Shared) -> None:
    """Its caller was told that nothing is sent, so the key is free once the store is back."""
    shared.lost = shared.loses_answers = True
    with pytest.raises(StoreLostError):
        store.claim("key", "fingerprint", "owner", lease=60, again=False)
    shared.lost = False
    wait_for(lambda: not store.degraded)

    assert shared.claim("key", "fingerprint", "another", lease=60, again=False) == Claim(ClaimState.NEW)


def test_a_claim_on_an_unknown_outcome_is_not_given_back(store: FailoverStore, shared: Shared) -> None:
    """The message may be out: its key must not be free."""
    shared.claim("key", "fingerprint", "owner", lease=60, again=False)
    shared.settle("key", "fingerprint", "owner", "unknown", b"")
    shared.lost = shared.loses_answers = True
    with pytest.raises(StoreLostError):
        store.claim("key", "fingerprint", "repeater", lease=0, again=True)
    shared.lost = False
    wait_for(lambda: not store.degraded)

    assert shared.claim("key", "fingerprint", "another", lease=60, again=False).state is ClaimState.UNKNOWN


def test_an_outcome_is_recorded_when_the_store_is_back(store: FailoverStore, shared: Shared) -> None:
    """Also if it is lost once more in between: a repetition gets the first answer, and a refused key is free."""
    for key in ("sent", "refused"):
        store.claim(key, "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    for key, outcome in SETTLED.items():
        with pytest.raises(StoreLostError):
            store.settle(key, "fingerprint", "owner", outcome, b"answer")
    wait_for(lambda: shared.probed > 2)
    shared.lost = False
    wait_for(lambda: not store.degraded)

    again = {key: shared.claim(key, "fingerprint", "another", lease=60, again=False) for key in SETTLED}
    assert again == {"sent": Claim(ClaimState.SENT, b"answer"), "refused": Claim(ClaimState.NEW)}


def test_a_bad_record_keeps_no_store_lost(store: FailoverStore, shared: Shared) -> None:
    """It is refused, and nothing is owed for it that could not be settled when the store is back."""
    store.claim("bad", "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    with pytest.raises(StoreLostError):
        store.settle("bad", "fingerprint", "owner", "sent", b"")
    shared.unreadable = {"bad", "worse"}
    shared.lost = False
    with pytest.raises(UnreadableRecordError):
        FailoverStore(shared, processes=4).claim("worse", "fingerprint", "owner", lease=60, again=False)
    wait_for(lambda: not store.degraded)
    assert store.claim("good", "fingerprint", "owner", lease=60, again=False) == Claim(ClaimState.NEW)


def test_bad_records_keep_no_outcome_from_being_recorded(
    store: FailoverStore, shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    """However many there are. What is told of each is true of a key too, about which no process decides alone."""
    shared.lost = True
    for key in ("bad", "worse", "worst", "good"):
        with pytest.raises(StoreLostError):
            store.settle(key, "fingerprint", "owner", "sent", b"answer")
    shared.unreadable = {"bad", "worse", "worst"}
    shared.lost = False
    wait_for(lambda: not (store.degraded or probers()))

    told = [record.message for record in caplog.records if record.message.startswith("record")]
    assert told == ["record unreadable: state; all others can be used"] * 3
    assert shared.claim("good", "fingerprint", "another", lease=60, again=False).answer == b"answer"


def test_an_outcome_that_fails_after_the_loss_is_recorded_all_the_same(
    store: FailoverStore, shared: Shared
) -> None:
    """Whoever was asking when the store was lost may hear of it when it is back, and nobody looks any more."""
    store.claim("key", "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    store.hit("a", 30, 60)
    shared.failing.clear()

    def settle_late() -> None:
        with pytest.raises(StoreLostError):
            store.settle("key", "fingerprint", "owner", "sent", b"answer")

    thread = threading.Thread(target=settle_late)
    thread.start()
    wait_for(lambda: shared.settling == 1)
    shared.lost = False
    wait_for(lambda: not store.degraded)
    shared.failing.set()
    thread.join()
    wait_for(lambda: shared.claim("key", "fingerprint", "x", lease=60, again=False).answer == b"answer")


class Faltering(Shared):
    """Settles nothing at first, although it can be used."""

    failures = 3

    def settle(self, *end: Any) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreLostError("out of reach")
        super().settle(*end)


def test_an_outcome_that_fails_again_is_recorded_all_the_same() -> None:
    """It is owed until it is recorded: a store that could be used just now may be lost again."""
    shared = Faltering()
    store = FailoverStore(shared, processes=4, probe_every=SOON)
    store.claim("key", "fingerprint", "owner", lease=60, again=False)
    with pytest.raises(StoreLostError):
        store.settle("key", "fingerprint", "owner", "sent", b"answer")
    wait_for(lambda: shared.settling > 0 and not probers())
    store.close()

    assert shared.claim("key", "fingerprint", "x", lease=60, again=False) == Claim(ClaimState.SENT, b"answer")


class Late(logging.Handler):
    """Has a send end at the very moment at which its process says that the store is back."""

    def __init__(self, store: FailoverStore, shared: Shared) -> None:
        super().__init__()
        self._store, self._shared = store, shared

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("store back"):
            self._shared.lost = True
            with suppress(StoreLostError):
                self._store.settle("key", "fingerprint", "owner", "sent", b"answer")
            self._shared.lost = False


def test_an_outcome_that_fails_as_the_store_comes_back_is_recorded_all_the_same(
    store: FailoverStore, shared: Shared
) -> None:
    """Nothing waits for the next loss: between the last look and the end of the thread that looks, too."""
    store.claim("key", "fingerprint", "owner", lease=60, again=False)
    late, told = Late(store, shared), logging.getLogger("app.stores.failover")
    told.addHandler(late)
    try:
        shared.lost = True
        store.hit("a", 30, 60)
        shared.lost = False
        wait_for(lambda: shared.settling > 0 and not probers())
    finally:
        told.removeHandler(late)

    assert shared.claim("key", "fingerprint", "x", lease=60, again=False) == Claim(ClaimState.SENT, b"answer")


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


def test_the_log_tells_why(patient_store: FailoverStore, shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    """Of other exceptions a log line has the class alone; what a store says of its loss is ours, and is told."""
    shared.lost = True
    patient_store.hit("a", 30, 60)
    (record,) = caplog.records
    event = json.loads(JsonFormatter().format(record))["event"]
    assert event == "store lost: out of reach; this process admits 1/4 of each limit"


def test_the_store_is_taken_up_when_it_is_back(
    store: FailoverStore, shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread notices, says so once, and ends; hits are shared again.

    Shares are not given out anew at the next loss: a store that comes and goes would let everything in.
    """
    store.hit("a", 30, 60)
    shared.lost = True
    store.hit("a", 30, 60)
    wait_for(lambda: shared.probed > 2)
    shared.lost = False
    wait_for(lambda: not store.degraded)
    again = store.hit("a", 30, 60)
    wait_for(lambda: probers() == [])
    shared.lost = True
    lost_again = store.hit("a", 30, 60)

    assert again.remaining == 28
    assert lost_again.remaining == 5
    assert [(record.levelno, record.message.split(";")[0]) for record in caplog.records] == [
        (logging.WARNING, "store lost: out of reach"),
        (logging.WARNING, "store back: limits are shared again"),
        (logging.WARNING, "store lost: out of reach"),
    ]


def test_a_late_report_of_an_old_loss_is_no_new_one(store: FailoverStore, shared: Shared) -> None:
    """A hit that was in flight through loss and recovery is answered, and does not lose the store again."""
    late: list[Decision] = []
    gate = shared.all_here = threading.Barrier(2)
    thread = threading.Thread(target=lambda: late.append(store.hit("a", 30, 60)))
    thread.start()
    wait_for(lambda: gate.n_waiting == 1)
    shared.all_here = threading.Barrier(1)
    shared.lost = True
    store.hit("a", 30, 60)
    shared.lost = False
    wait_for(lambda: not store.degraded)
    shared.lost = True
    gate.wait()
    thread.join()

    assert late[0].admitted
    assert store.degraded is False


def test_a_fault_of_ours_loses_no_thread(
    store: FailoverStore, shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told by its kind alone, and the store is asked again."""
    shared.fault, shared.lost = KeyError("canary"), True
    store.hit("a", 30, 60)
    wait_for(lambda: shared.probed > 2)
    shared.fault, shared.lost = None, False
    wait_for(lambda: not store.degraded)
    told = [JsonFormatter().format(record) for record in caplog.records]
    assert json.loads(told[1])["exception"] == "KeyError"
    assert "canary" not in "".join(told)


def test_close_ends_the_thread(patient_store: FailoverStore, shared: Shared) -> None:
    """Not after the time between two probes, but at once; the store can be used again."""
    shared.lost = True
    patient_store.hit("a", 30, 60)
    patient_store.close()
    shared.lost = False

    assert probers() == []
    assert patient_store.hit("a", 30, 60).remaining == 29


def test_probe_asks_the_shared_store(store: FailoverStore, shared: Shared) -> None:
    """`probe` raises while the shared store is lost, although hits are decided."""
    shared.lost = True
    with pytest.raises(StoreLostError):
        store.probe()
