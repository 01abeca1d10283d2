"""Workers and masters that die or are replaced while callers send."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from time import monotonic

from tests.system.faults.acts import late
from tests.system.faults.keys import OVER
from tests.system.faults.loads import in_doubt, once, repeated, under_load
from tests.system.faults.oracles import judged
from tests.system.faults.stage import LEASE_SECONDS, PATIENT, Attempt, Report, Stage
from tests.system.servers import OURS, Kind, Server, gunicorn

_CALLERS = 12


def killed_workers(stage: Stage, kills: int, every: float) -> Report:
    """One of two workers is killed (-9) again and again; a key is then sent or unknown, and never sent twice."""
    stage.laboratory.usual = late(0.05)
    server = stage.serve()
    with under_load(*[repeated(stage, server.port)] * _CALLERS) as attempts:
        for _ in range(kills):
            threading.Event().wait(every)
            os.kill(stage.random.choice(server.pids()), signal.SIGKILL)
            killed_at = monotonic()
        threading.Event().wait(every)
    report = _told_in_the_end(f"{kills} kills of a worker, one each {every} s", stage, server, attempts, killed_at)
    report.figures["worker deaths in the log"] = len(server.events("Worker (pid:"))
    return report


def killed_master(stage: Stage, *, alone: bool) -> Report:
    """The master is killed (-9), alone or with its workers, and started again on the same file."""
    stage.laboratory.usual = late(0.05)
    server = stage.serve()
    with under_load(*[repeated(stage, server.port, times=8, pause=0.5)] * _CALLERS) as attempts:
        threading.Event().wait(1)
        (os.kill if alone else os.killpg)(server.process.pid, signal.SIGKILL)
        killed_at = monotonic()
        server.process.wait()
        server.start()
        down = monotonic() - killed_at
        threading.Event().wait(1)
    # Workers that are alone go on for a while.
    dead_at = monotonic() if alone else killed_at
    who = "the master alone" if alone else "the master and its workers"
    report = _told_in_the_end(f"{who} killed and started again", stage, server, attempts, dead_at)
    report.figures["down (s)"] = round(down, 2)
    done = {attempt.message for attempt in attempts if attempt.code == "sent"}
    again = [
        stage.send(server.port, message, keyed=True) for message in sorted(done, key=attrgetter("number"))[:100]
    ]
    report.figures["keys of before asked again"] = dict(Counter(attempt.code for attempt in again))
    report.violations += judged([*attempts, *again], stage.ledger.entries)
    report.violations += [f"a sent key is {attempt.code}" for attempt in again if attempt.code != "replayed"]
    return report


def replaced_workers(stage: Stage, times: int) -> Report:
    """SIGHUP, so many times, under load without keys: every send is answered 200."""
    server = stage.serve(OURS, **PATIENT)
    with under_load(*[once(stage, server.port)] * _CALLERS) as attempts:
        for _ in range(times):
            threading.Event().wait(0.5)
            server.renew()
        threading.Event().wait(0.5)
    return all_sent(f"{times} x SIGHUP", stage, attempts)


def worn_out_workers(stage: Stage, seconds: float) -> Report:
    """Workers that leave after 50 requests each (max_requests): every send is answered 200."""
    kind: Kind = gunicorn("--max-requests", "50")
    server, seen = stage.serve(kind, **PATIENT), set[int]()
    ends = monotonic() + seconds
    with under_load(*[once(stage, server.port)] * _CALLERS) as attempts:
        while monotonic() < ends:
            seen |= set(server.pids())
            threading.Event().wait(0.05)
    report = all_sent("max_requests 50", stage, attempts)
    report.figures["workers"] = len(seen)
    return report


def terminated(stage: Stage, sends: int) -> Report:
    """SIGTERM while so many sends are with the chat service: all are answered, and the exit code is 0."""
    stage.laboratory.usual = late(0.6)
    server, begun = stage.serve(OURS, **PATIENT), len(stage.ledger.entries)
    with ThreadPoolExecutor(sends) as threads:
        under_way = [threads.submit(stage.send, server.port, stage.message()) for _ in range(sends)]
        stage.ledger.await_entries(begun + sends)
        server.signal(signal.SIGTERM)
        attempts = [one.result() for one in under_way]
    report = all_sent(f"SIGTERM with {sends} sends under way", stage, attempts)
    code = server.wait()
    report.violations += [f"exit code {code}"] * (code != 0)
    return report


def all_sent(title: str, stage: Stage, attempts: Sequence[Attempt]) -> Report:
    report = Report(title)
    report.figures["answers"] = dict(Counter(attempt.code for attempt in attempts).most_common())
    report.violations = judged(attempts, stage.ledger.entries)
    report.violations += [attempt.code for attempt in attempts if attempt.code != "sent"]
    return report


def _told_in_the_end(title: str, stage: Stage, server: Server, attempts: list[Attempt], dead_at: float) -> Report:
    """Whoever does not know asks again when the claims of the dead, all made before `dead_at`, have run out."""
    doubtful = in_doubt(attempts)
    # Linux ends a process a moment after it is told to.
    threading.Event().wait(max(0, dead_at + 0.2 + LEASE_SECONDS - monotonic()))
    final = [stage.send(server.port, attempt.message, keyed=True) for attempt in doubtful]
    report = Report(title)
    report.figures = {
        "keys": len({attempt.message.number for attempt in attempts}),
        "answers": dict(Counter(attempt.code for attempt in attempts).most_common()),
        "keys in doubt, asked again after the lease": dict(Counter(attempt.code for attempt in final)),
        "unhandled exceptions in the log": server.log.count("Traceback"),
    }
    attempts += final
    report.violations = judged(attempts, stage.ledger.entries)
    report.violations += [f"{attempt.code} in the end" for attempt in final if attempt.code not in OVER]
    return report
