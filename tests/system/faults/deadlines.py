"""How long a caller waits: for nobody, and for a chat service that keeps everybody waiting."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.system.faults.oracles import judged
from tests.system.faults.stage import CHAT_SECONDS, Attempt, Message, Report, Stage
from tests.system.processes import ReservedPort

NOBODY_SECONDS = 1.5
_SLOW = ("hang", "dripped headers", "dripped body", "silence within the body")


def nobody_listens(stage: Stage, sends: int, *, slack: float = 0) -> Report:
    """Nothing was sent, and the caller knows it soon, also with the default deadline of 8 s."""
    with ReservedPort() as nobody:
        url = f"http://127.0.0.1:{nobody.number}"
        refused = stage.serve(CHAT_SERVICE_URL=url, CHAT_TIMEOUT_SECONDS="8", WEB_CONCURRENCY="1")
        attempts = [stage.send(refused.port, stage.message()) for _ in range(sends)]
    stage.laboratory.door.block()
    # A thousand failures would open the circuit; until then each one waits for the connection.
    hole = stage.serve(CHAT_TIMEOUT_SECONDS="8", WEB_CONCURRENCY="1", BREAKER_THRESHOLD="1000")
    swallowed = _ask(stage, hole.port, [stage.message() for _ in range(sends)])
    stage.laboratory.door.open()
    report = Report("nobody listens")
    report.figures = {
        "refused: slowest (s)": _slowest(attempts),
        "SYN swallowed: slowest (s)": _slowest(swallowed),
        "ledger entries": len(stage.ledger.entries),
    }
    report.violations = judged([*attempts, *swallowed], stage.ledger.entries)
    report.violations += [
        attempt.code for attempt in (*attempts, *swallowed) if attempt.code != "CHAT_SERVICE_UNAVAILABLE"
    ]
    slowest = _slowest([*attempts, *swallowed])
    report.violations += [f"after {slowest} s"] * (slowest > NOBODY_SECONDS + slack)
    return report


def slow_service(stage: Stage, sends: int, slack: float) -> Report:
    """Whatever the chat service delays, the answer comes by the deadline, give or take `slack` seconds."""
    server = stage.serve()
    report = Report(f"a slow chat service, deadline {CHAT_SECONDS} s")
    every = _ask(stage, server.port, [stage.message(name) for _ in range(sends) for name in _SLOW])
    for name in _SLOW:
        attempts = [attempt for attempt in every if attempt.message.faults == (name,)]
        took = [attempt.answer.seconds for attempt in attempts if attempt.answer]
        in_time = sum(seconds <= CHAT_SECONDS + slack for seconds in took)
        report.figures[name] = f"{in_time} of {sends} in time, slowest {_slowest(attempts)} s"
        report.violations += [f"{name}: too late"] * (sends - in_time)
    report.violations += [attempt.code for attempt in every if attempt.code not in attempt.message.codes]
    report.violations += judged(every, stage.ledger.entries)
    return report


def _ask(stage: Stage, port: int, messages: list[Message]) -> list[Attempt]:
    with ThreadPoolExecutor(20) as threads:
        return list(threads.map(partial(stage.send, port), messages))


def _slowest(attempts: list[Attempt]) -> float:
    return round(max(attempt.answer.seconds for attempt in attempts if attempt.answer), 3)
