"""A crowd that waits for a chat service that hangs, and what everybody else notices of it."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from tests.system.behaviours import hangs, waits
from tests.system.clients import Answer, Request, ask, sending
from tests.system.faults.acts import taking
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.loads import under_load
from tests.system.faults.oracles import judged
from tests.system.faults.stage import Attempt, Report, Stage
from tests.system.processes import PATIENCE
from tests.system.servers import OURS

# At the 95th percentile.
INNOCENT_SECONDS = 0.1
RECOVERY_SECONDS = 2.0
_BETWEEN_SECONDS = 0.01
_INNOCENT = {
    "health": (Request("GET", "/health/live"), 200),
    "401": (sending(headers={"Authorization": "Bearer x"}), 401),
    "400": (sending("a-member-innocent", company="x"), 400),
}


# How the chat service is gone and comes back, and whether a success is promised soon after that.
WAYS = {
    "hangs, then goes on": True,
    "hangs, then is started again": True,
    "cannot be reached": True,
    "hangs for ever on the connections that it has": False,
}


def crowd(
    stage: Stage,
    clients: int,
    asked: int,
    way: str,
    settings: Mapping[str, str] | None = None,
    *,
    slack: float = 0,
) -> Report:
    """So many clients send, and wait as they are told, while the chat service is gone in one of WAYS.

    Each kind of request that needs no chat service is sent `asked` times meanwhile; then it is there again.
    Every promised time may be `slack` seconds longer.
    """
    awake = threading.Event()
    if way == "cannot be reached":
        stage.laboratory.door.block()
    else:
        stage.laboratory.usual = taking(hangs if "for ever" in way else waits(awake))
    environ = {"CHAT_TIMEOUT_SECONDS": "8", **(settings or {})}
    server = stage.serve(OURS, **environ)
    with under_load(*[patient(stage, server.port)] * clients) as attempts:
        threading.Event().wait(1.5)
        took = {
            name: _measure(server.port, request, status, asked) for name, (request, status) in _INNOCENT.items()
        }
        begun = monotonic()
        _mend(stage, way, awake)
        recovery = _first_success(attempts, begun)
    report = Report(f"{clients} clients, a chat service that {way} {dict(settings or {})}")
    report.figures["answers"] = dict(Counter(attempt.code for attempt in attempts).most_common())
    report.violations = judged(attempts, stage.ledger.entries)
    for name, seconds in took.items():
        _tell(report, name, sorted(seconds), INNOCENT_SECONDS + slack)
    report.figures["first success after (s)"] = round(recovery, 2)
    late = WAYS[way] and recovery > RECOVERY_SECONDS + slack
    report.violations += [f"first success after {recovery:.2f} s"] * late
    return report


def _mend(stage: Stage, way: str, awake: threading.Event) -> None:
    stage.laboratory.usual = DELIVERS.act
    if way == "hangs, then goes on":
        awake.set()
        return
    stage.laboratory.door.open()
    if way == "hangs, then is started again":
        # Those who wait for the event find their connection reset when they answer.
        stage.laboratory.door.hang_up()
        awake.set()


def _tell(report: Report, name: str, ordered: list[float], allowed: float) -> None:
    half, most = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
    report.figures[f"{name}: median, 95 %, slowest (ms)"] = [round(1000 * s, 1) for s in (half, most, ordered[-1])]
    report.violations += [f"{name} at {most:.3f} s"] * (most > allowed)


def patient(stage: Stage, port: int) -> Callable[[], Sequence[Attempt]]:
    """A client who sends and, if it is told so, waits before the next message."""

    def call() -> list[Attempt]:
        attempt = stage.send(port, stage.message())
        wait = attempt.answer.headers["Retry-After"] if attempt.answer else None
        threading.Event().wait(float(wait or 0.05))
        return [attempt]

    return call


def _measure(port: int, request: Request, status: int, times: int) -> list[float]:
    """Seconds that a new connection and its answer took."""
    took = []
    for _ in range(times):
        begun = monotonic()
        answer: Answer = ask(port, request)
        took.append(monotonic() - begun)
        assert answer.status == status
        threading.Event().wait(_BETWEEN_SECONDS)
    return took


def _first_success(attempts: Sequence[Attempt], begun: float) -> float:
    ends = begun + PATIENCE
    while monotonic() < ends:
        succeeded = [attempt.ended for attempt in list(attempts) if attempt.code == "sent"]
        if succeeded:
            return max(0.0, min(succeeded) - begun)
        threading.Event().wait(0.02)
    return PATIENCE
