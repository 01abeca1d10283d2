"""The race between the next request and a chat service that closes connections when they have been idle."""

import threading
from collections import Counter
from functools import partial

from tests.system.clients import together
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.laboratory import Laboratory
from tests.system.faults.oracles import judged
from tests.system.faults.stage import Attempt, Report, Stage

AROUND_SECONDS = 0.005
UNKNOWN_SHARE = 0.001


def keepalive_race(stage: Stage, idle: float, rounds: int, lanes: int, *, share: float = UNKNOWN_SHARE) -> Report:
    """So many requests at once, then as many again when their connections have been idle for about that long."""
    laboratory = stage.enter(Laboratory(stage.ledger, DELIVERS.act, idle=idle))
    server = stage.serve(CHAT_SERVICE_URL=laboratory.url, WEB_CONCURRENCY="1")
    attempts = list[Attempt]()
    for _ in range(rounds):
        attempts += together([partial(stage.send, server.port, stage.message()) for _ in range(lanes)])
        threading.Event().wait(idle + stage.random.uniform(-AROUND_SECONDS, AROUND_SECONDS))
    report = Report(f"upstream closes after {idle} s, sends {1000 * AROUND_SECONDS:.0f} ms around it")
    told = Counter(attempt.code for attempt in attempts)
    unknown = told["SEND_OUTCOME_UNKNOWN"]
    report.figures = {
        "answers": dict(told),
        "unknown": f"{unknown} of {len(attempts)}, {100 * unknown / len(attempts):.3f} %",
        "connections": laboratory.connections,
    }
    report.violations = judged(attempts, stage.ledger.entries)
    report.violations += [f"more than {100 * share} % unknown"] * (unknown > share * len(attempts))
    return report
