"""The store is lost under load: sends without a key go on, those with one are refused, and nothing goes twice."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import NamedTuple

from tests.system.faults.loads import once, repeated, under_load
from tests.system.faults.losses import Loss
from tests.system.faults.oracles import judged
from tests.system.faults.stage import LEASE_SECONDS, Attempt, Report, Stage
from tests.system.servers import Server
from tests.unit.stores.servers import is_master, replicated, sentinel_url, tell, wait_for

BACK_SECONDS = 35
ADDED_SECONDS = 0.25
_CALLERS = 4
# What a request with a key may be told while its store is lost, or was when its key was claimed.
_HONEST = {"sent", "replayed", "IDEMPOTENCY_UNAVAILABLE", "IDEMPOTENCY_IN_PROGRESS", "SEND_OUTCOME_UNKNOWN"}


class _Course(NamedTuple):
    """When what happened to a store (time.monotonic)."""

    lost_at: float
    noticed_at: float
    restored_at: float
    back_at: float


def lost_store(
    stage: Stage,
    name: str,
    make: Callable[[Path], AbstractContextManager[Loss]],
    seconds: float,
    *,
    slack: float = 0,
) -> Report:
    """The store is lost for so many seconds under load, with and without keys.

    No answer may take ADDED_SECONDS and `slack` longer than before.
    """
    with make(stage.folder / "store") as loss:
        server = stage.serve(STORE_URL=loss.url)
        # A worker's first call has to find its servers, which on a busy machine may take it longer than it may.
        kept = [repeated(stage, server.port, times=20)()[-1] for _ in range(20)]
        before = len(server.events("store lost"))
        calls = [once(stage, server.port)] * _CALLERS + [repeated(stage, server.port, times=3)] * _CALLERS
        with under_load(*calls) as attempts:
            threading.Event().wait(1)
            course = _lose(server, loss, seconds, before)
            threading.Event().wait(1)
        report = Report(f"store lost: {name}")
        report.figures = {"lost until restored (s)": round(course.restored_at - course.lost_at, 2)}
        report.figures["restored until back (s)"] = round(course.back_at - course.restored_at, 2)
        added = _tell(report, attempts, course.lost_at, course.back_at)
        # Soon after that no key is believed in, until the store has been restored or has healed itself.
        begun = course.noticed_at + ADDED_SECONDS + slack / 10
        report.violations += _unrefused(attempts, begun, begun if loss.heals else course.restored_at)
        report.violations += [f"{added:.3f} s added"] * (added > ADDED_SECONDS + slack)
        report.violations += ["not back"] * (course.back_at - course.restored_at > BACK_SECONDS)
        losses = len(server.events("store lost")) - before
        report.figures["losses in the log, before that"] = [losses, before]
        report.violations += _keys_of_before(stage, server, loss, kept, report)
    own = {attempt.message.conversation for attempt in attempts}
    entries = [entry for entry in stage.ledger.entries if entry.conversation_id in own]
    report.violations += judged(attempts, entries)
    return report


def _lose(server: Server, loss: Loss, seconds: float, before: int) -> _Course:
    """Lose the store, which the log has told `before` times, and restore it so long after that is noticed."""
    lost_at = monotonic()
    loss.lose()
    # A full disk has room in the log that is there already, so it is lost a little later.
    server.await_events("store lost", before + 2)
    noticed_at = monotonic()
    threading.Event().wait(seconds)
    loss.restore()
    restored_at = monotonic()
    _await_return(server)
    return _Course(lost_at, noticed_at, restored_at, monotonic())


def _await_return(server: Server) -> None:
    """Every process that has reported a loss reports the return."""
    wait_until = threading.Event()
    ends = monotonic() + BACK_SECONDS
    while monotonic() < ends:
        if len(server.events("store back")) == len(server.events("store lost")):
            return
        wait_until.wait(0.05)


def _tell(report: Report, attempts: Sequence[Attempt], lost_at: float, back_at: float) -> float:
    """Tell what callers noticed; the result is how many seconds were added to an answer at most."""
    plain = [attempt for attempt in attempts if not attempt.keyed]
    keyed = [attempt for attempt in attempts if attempt.keyed]
    usual = [_seconds(attempt) for attempt in plain if attempt.ended < lost_at]
    meanwhile = [_seconds(attempt) for attempt in plain if lost_at <= attempt.ended < back_at]
    added = max(meanwhile) - median(usual)
    report.figures |= {
        "without a key": dict(Counter(attempt.code for attempt in plain)),
        "with a key": dict(Counter(attempt.code for attempt in keyed)),
        "before: median, slowest (ms)": [round(1000 * value) for value in (median(usual), max(usual))],
        "meanwhile: median, slowest (ms)": [round(1000 * value) for value in (median(meanwhile), max(meanwhile))],
        "slower by 100 ms and more": sum(value - median(usual) > 0.1 for value in meanwhile),
        "most that was added (ms)": round(1000 * added),
    }
    report.violations += [f"{attempt.code} without a key" for attempt in plain if attempt.code != "sent"]
    report.violations += [f"{attempt.code} with a key" for attempt in keyed if attempt.code not in _HONEST]
    after = Counter(attempt.code for attempt in keyed if attempt.ended > back_at + 0.5)
    report.violations += ["no key was honoured after the return"] * (not after["sent"])
    report.violations += ["unavailable after the return"] * after["IDEMPOTENCY_UNAVAILABLE"]
    return added


def _unrefused(attempts: Sequence[Attempt], begun: float, ended: float) -> list[str]:
    """Keys that somebody believed in while there was no store; there were callers with keys all the time."""
    keyed = [attempt for attempt in attempts if attempt.keyed]
    believed = [attempt.code for attempt in keyed if begun < attempt.ended < ended and attempt.code == "sent"]
    refused = any(attempt.code == "IDEMPOTENCY_UNAVAILABLE" for attempt in keyed)
    return [f"{code} under a key without a store" for code in believed] + ["no key was refused"] * (not refused)


def _seconds(attempt: Attempt) -> float:
    return attempt.answer.seconds if attempt.answer else 0.0


def _keys_of_before(
    stage: Stage, server: Server, loss: Loss, kept: Sequence[Attempt], report: Report
) -> list[str]:
    """Keys that were done before the loss are replayed after it, where the store keeps what it knew."""
    again = [stage.send(server.port, attempt.message, keyed=True) for attempt in kept]
    report.figures["keys of before"] = dict(Counter(attempt.code for attempt in again))
    return _unreplayed(kept, again) if loss.keeps else []


def _unreplayed(kept: Sequence[Attempt], again: Sequence[Attempt]) -> list[str]:
    return [
        f"a key of before is {after.code}"
        for before, after in zip(kept, again, strict=True)
        if after.code != "replayed"
        or not (before.answer and after.answer and before.answer.body == after.answer.body)
    ]


def busy_store(stage: Stage, callers: int, seconds: float) -> Report:
    """Callers with keys and nothing wrong: the store is never lost."""
    server = stage.serve()
    with under_load(*[repeated(stage, server.port)] * callers) as attempts:
        threading.Event().wait(seconds)
    report = Report(f"{callers} callers with keys for {seconds} s, nothing wrong with the store")
    spent = sorted(_seconds(attempt) for attempt in attempts)
    lost = server.events("store lost")
    report.figures = {
        "answers": dict(Counter(attempt.code for attempt in attempts)),
        "median, 99 %, slowest (ms)": [
            round(1000 * spent[int(share * (len(spent) - 1))]) for share in (0.5, 0.99, 1)
        ],
        "store lost": len(lost),
    }
    report.violations = judged(attempts, stage.ledger.entries) + [line["event"] for line in lost]
    return report


def failover_forgets(stage: Stage) -> Report:
    """What an asynchronous failover can lose: the key of a message that the replica had not heard of."""
    report = Report("a failover before the replica has heard of a key")
    with replicated(stage.folder / "store") as (master, replica, sentinel):
        server = stage.serve(STORE_URL=sentinel_url(sentinel), WEB_CONCURRENCY="1")
        early, late = stage.message(), stage.message()
        first = [stage.send(server.port, early, keyed=True)]
        wait_for(lambda: str(tell(replica, "DBSIZE")) == str(tell(master, "DBSIZE")))
        replica.pause()
        # What is in its socket already, it would read when it goes on.
        tell(master, "CLIENT KILL", "TYPE", "replica")
        first.append(stage.send(server.port, late, keyed=True))
        master.kill()
        replica.resume()
        wait_for(lambda: is_master(replica))
        threading.Event().wait(LEASE_SECONDS)
        # The first of them may find out that the master it knew is gone.
        again = [repeated(stage, server.port, message, times=20)()[-1] for message in (early, late)]
    counted = Counter(entry.conversation_id for entry in stage.ledger.entries)
    for name, before, after in zip(("replicated", "not replicated"), first, again, strict=True):
        times = counted[before.message.conversation]
        report.figures[f"key {name}"] = f"{before.code}, after the failover {after.code}; {times} ledger entries"
    if again[0].code != "replayed":
        report.violations.append(f"a replicated key is {again[0].code}")
    return report
