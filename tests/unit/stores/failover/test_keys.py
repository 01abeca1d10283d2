"""What becomes of keys: no process decides alone, and each outcome is recorded once the store is back."""

import logging
import threading
from contextlib import suppress
from typing import Any

import pytest

from app.errors import Outcome
from app.stores import Claim, ClaimState, StoreLostError, UnreadableRecordError
from app.stores.failover import FailoverStore
from tests.unit.stores.servers import wait_for
from tests.unit.stores.shared import SOON, Shared, probers

SETTLED: dict[str, Outcome] = {"sent": "sent", "refused": "not_sent"}


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


def test_the_latest_outcomes_are_owed(store: FailoverStore, shared: Shared) -> None:
    """Of 501 the first is dropped: each may come with a message, and a long loss would fill a worker's memory."""
    keys = [str(number) for number in range(501)]
    for key in keys:
        store.claim(key, "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    for key in keys:
        with pytest.raises(StoreLostError):
            store.settle(key, "fingerprint", "owner", "sent", b"answer")
    shared.lost = False
    wait_for(lambda: not (store.degraded or probers()))

    states = [shared.claim(key, "fingerprint", "another", lease=60, again=False).state for key in keys]
    assert states == [ClaimState.IN_PROGRESS, *[ClaimState.SENT] * 500]


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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("still_lost", [False, True])
def test_an_outcome_is_recorded_however_the_thread_ends_that_owes_it(
    store: FailoverStore, shared: Shared, *, still_lost: bool
) -> None:
    """At once, or by the next thread: else it would wait for the next loss, and the key be of unknown outcome."""
    store.claim("key", "fingerprint", "owner", lease=60, again=False)
    shared.lost = True
    with pytest.raises(StoreLostError):
        store.settle("key", "fingerprint", "owner", "sent", b"answer")
    shared.lost, shared.fault = still_lost, SystemExit()
    wait_for(lambda: shared.settling > 1)
    shared.lost, shared.fault = False, None
    wait_for(lambda: not (store.degraded or probers()))

    assert shared.claim("key", "fingerprint", "x", lease=60, again=False) == Claim(ClaimState.SENT, b"answer")


class Asking(logging.Handler):
    """Asks what becomes of the key at the very moment at which the store is said to be back."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared = shared
        self.found: list[ClaimState] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("store back"):
            self.found.append(self._shared.claim("key", "fingerprint", "x", lease=60, again=False).state)


def test_outcomes_are_recorded_before_the_store_is_back(store: FailoverStore, shared: Shared) -> None:
    """Whoever repeats a message then gets its answer, and is not told that it is in progress."""
    store.claim("key", "fingerprint", "owner", lease=60, again=False)
    asking, told = Asking(shared), logging.getLogger("app.stores.failover")
    told.addHandler(asking)
    try:
        shared.lost = True
        with pytest.raises(StoreLostError):
            store.settle("key", "fingerprint", "owner", "sent", b"answer")
        shared.lost = False
        wait_for(lambda: not (store.degraded or probers()))
    finally:
        told.removeHandler(asking)
    assert asking.found == [ClaimState.SENT]
