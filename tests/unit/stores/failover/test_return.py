"""How a lost store is looked for, taken up again, and told of."""

import json
import logging
import threading
from unittest.mock import Mock

import pytest

from app.stores import Decision, StoreLostError, UnreadableRecordError
from app.stores.failover import FailoverStore
from config.logs import JsonFormatter
from tests.unit.stores.servers import wait_for
from tests.unit.stores.shared import Shared, probers


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
    second = json.loads(told[1])
    assert (second["event"], second["exception"]) == ("store not asked", "KeyError")
    assert "canary" not in "".join(told)


def test_a_bad_record_is_no_reason_to_look_further(store: FailoverStore, shared: Shared) -> None:
    """Whoever finds that the one of the probe cannot be read has been answered."""
    shared.fault, shared.lost = UnreadableRecordError("state"), True
    store.hit("a", 30, 60)
    shared.lost = False
    wait_for(lambda: not store.degraded)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_however_the_thread_ends_the_store_is_asked_again(store: FailoverStore, shared: Shared) -> None:
    """By the next hit: without a thread that looks for it, it would be lost for ever."""
    shared.fault, shared.lost = SystemExit(), True
    store.hit("a", 30, 60)
    wait_for(lambda: probers() == [])
    shared.fault, shared.lost = None, False
    assert store.hit("a", 30, 60).shared


def test_it_needs_no_thread_at_once(
    patient_store: FailoverStore, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can be started right now each hit asks the store, and no hit fails."""
    shared.lost = True
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError))
        assert [patient_store.hit("a", 30, 60).shared for _ in range(2)] == [False, False]
    shared.lost = False
    assert patient_store.hit("a", 30, 60).shared
    assert shared.asked == 3


def test_close_ends_the_thread(patient_store: FailoverStore, shared: Shared) -> None:
    """Not after the time between two probes, but at once; the shared store is closed, and can be used again."""
    shared.lost = True
    patient_store.hit("a", 30, 60)
    patient_store.close()
    shared.lost = False

    assert (probers(), shared.closed) == ([], 1)
    assert patient_store.hit("a", 30, 60).remaining == 29


def test_probe_asks_the_shared_store(store: FailoverStore, shared: Shared) -> None:
    """`probe` raises while the shared store is lost, although hits are decided."""
    shared.lost = True
    with pytest.raises(StoreLostError):
        store.probe()
