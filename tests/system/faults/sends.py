"""Sends without keys, two in five of them into a fault: no answer may say what the ledger does not."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

from tests.system.faults.acts import hanging_up, refusing_early, taking
from tests.system.faults.catalogue import DELIVERS, DOWN, SENT, UNKNOWN
from tests.system.faults.laboratory import Laboratory, reset_unread
from tests.system.faults.oracles import judged
from tests.system.faults.stage import Attempt, Message, Report, Stage
from tests.system.processes import ReservedPort
from tests.system.servers import OURS, Server

# Faults of connecting come before anything is known of the request, and a close that nobody announced may
# meet the next request on its way: so each has a service of its own.
PLACES = {
    "": frozenset[str](),
    "refused": frozenset({DOWN}),
    "hole": frozenset({DOWN}),
    "weather": frozenset({SENT, UNKNOWN, DOWN}),
    "close after the answer": frozenset({SENT, UNKNOWN}),
    "refusal before the body": frozenset({"MESSAGE_REJECTED", UNKNOWN}),
}
_GROUPS = ("wire", "wire", "content", "status", "place")


@contextmanager
def weather(laboratory: Laboratory) -> Iterator[None]:
    """A port that by turns is open, refuses, swallows and resets."""
    over, door = threading.Event(), laboratory.door

    def change() -> None:
        while True:
            for turn in (door.open, door.shut, door.block, lambda: door.open(reset_unread)):
                turn()
                if over.wait(0.1):
                    return

    thread = threading.Thread(target=change, name="weather")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        door.open()


@contextmanager
def serving_places(stage: Stage, **changes: str) -> Iterator[dict[str, Server]]:
    """A service for each of PLACES, of which "" has two workers and the laboratory behind it."""
    changeable = stage.enter(Laboratory(stage.ledger, DELIVERS.act))
    hole = stage.enter(Laboratory(stage.ledger, DELIVERS.act))
    hole.door.block()
    closing = stage.enter(Laboratory(stage.ledger, taking(hanging_up)))
    refusing = stage.enter(Laboratory(stage.ledger, refusing_early))
    with ReservedPort() as nobody, weather(changeable):
        urls = {"refused": f"http://127.0.0.1:{nobody.number}", "hole": hole.url, "weather": changeable.url}
        urls |= {"close after the answer": closing.url, "refusal before the body": refusing.url}
        servers = {"": stage.serve(OURS, **changes)}
        for place, url in urls.items():
            servers[place] = stage.serve(OURS, CHAT_SERVICE_URL=url, **changes, WEB_CONCURRENCY="1")
        yield servers


def sends(stage: Stage, count: int, callers: int) -> Report:
    """`count` messages from so many callers at once, nobody repeats."""
    with serving_places(stage) as servers, ThreadPoolExecutor(callers) as threads:
        planned = [plan(stage) for _ in range(count)]
        begun = monotonic()
        attempts = list(threads.map(lambda one: stage.send(servers[one[0]].port, one[1]), planned))
        return _report(stage, attempts, monotonic() - begun)


def plan(stage: Stage) -> tuple[str, Message]:
    """A place, and a message to send there; two in five meet a fault."""
    if stage.random.random() > 0.4:
        return "", stage.message()
    group = stage.random.choice(_GROUPS)
    if group == "place":
        place = stage.random.choice([place for place in PLACES if place])
        return place, replace(stage.message(), faults=(place,), codes=PLACES[place], letters=60_000)
    return "", stage.message(stage.random.choice(sorted(stage.faults[group])))


def _by_fault(faulty: list[Attempt]) -> str:
    """What came of each fault, those alike together."""
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for attempt in faulty:
        codes[attempt.message.faults[0]][attempt.code] += 1
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, counted in sorted(codes.items()):
        alike[tuple(sorted(counted))].append(f"{name} x {counted.total()}")
    return "".join(f"\n    {' or '.join(told)}: {', '.join(names)}" for told, names in sorted(alike.items()))


def _report(stage: Stage, attempts: list[Attempt], seconds: float) -> Report:
    entries = stage.ledger.entries
    faulty = [attempt for attempt in attempts if attempt.message.faults]
    met = Counter(attempt.message.faults[0] for attempt in faulty)
    report = Report("sends without a key")
    report.figures = {
        "sends": f"{len(attempts)}, {len(faulty)} into one of {len(met)} faults (each {min(met.values())} times"
        f" or more), in {seconds:.1f} s",
        "answers": dict(Counter(attempt.code for attempt in attempts).most_common()),
        "answers by fault": _by_fault(faulty),
        "ledger entries": len(entries),
        "redirects followed": len(stage.trapped),
        "slowest answer (s)": round(max(attempt.answer.seconds for attempt in attempts if attempt.answer), 3),
    }
    report.violations = judged(attempts, entries)
    report.violations += [
        f"{attempt.code} to {attempt.message.faults or 'no fault'}"
        for attempt in attempts
        if attempt.code not in attempt.message.codes | {"OVERLOADED"}
    ]
    report.violations += ["a redirect was followed" for _ in stage.trapped]
    return report
