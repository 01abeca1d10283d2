"""Sends under keys: callers who give up early and repeat, and callers who all come at once."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Event
from time import monotonic

from tests.system.clients import together
from tests.system.faults.acts import late
from tests.system.faults.oracles import judged
from tests.system.faults.stage import CHAT_SECONDS, Attempt, Message, Report, Stage

# Two in three requests meet nothing worse than a delay, which is when a caller is likely to give up.
_PLANNED = ("delivers", "late", "late", "late")
_PATIENCE = (0.05, 0.15, 0.4, 3.0)
OVER = {"sent", "replayed", "SEND_OUTCOME_UNKNOWN"}


def insist(stage: Stage, port: int, message: Message, seed: int, times: int = 4) -> list[Attempt]:
    """Repeat the request until the key's end is known, and then sometimes once more; give up early each time.

    Giving up stops nothing: the service goes on with the first request while the second is there.
    """
    chance, attempts = Random(seed), list[Attempt]()  # noqa: S311 - no secret
    while len(attempts) < times:
        attempts.append(stage.send(port, message, keyed=True, patience=chance.choice(_PATIENCE)))
        if attempts[-1].code in OVER and chance.random() < 0.5:
            break
        Event().wait(chance.uniform(0, 0.2))
    return attempts


def keyed_sends(stage: Stage, count: int, callers: int) -> Report:
    """`count` messages, each by a caller who insists."""
    port, seeds = stage.serve().port, [stage.random.random() for _ in range(count)]
    messages = [_planned(stage) for _ in range(count)]
    begun = monotonic()
    with ThreadPoolExecutor(callers) as threads:
        insisted = list(threads.map(lambda n: insist(stage, port, messages[n], hash(seeds[n])), range(count)))
    seconds = monotonic() - begun
    # Nobody waits any more for what the first requests go on doing.
    Event().wait(CHAT_SECONDS + 1)
    attempts = [attempt for several in insisted for attempt in several]
    report = _report("sends under a key, repeated up to four times", stage, attempts)
    report.figures["keys"] = f"{count}, {len(attempts)} requests in {seconds:.1f} s"
    return report


def storm(stage: Stage, keys: int, callers: int) -> Report:
    """So many callers at once for each key: one sends, the others get its answer or are asked to wait."""
    port, attempts = stage.serve().port, list[Attempt]()
    stage.laboratory.usual = late(0.05)
    begun = len(stage.ledger.entries)
    for _ in range(keys):
        message = stage.message()
        attempts += together([partial(stage.send, port, message, keyed=True)] * callers)
    report = _report(f"{keys} keys, {callers} callers at once for each", stage, attempts)
    entries = len(stage.ledger.entries) - begun
    report.violations += [f"{entries} entries for {keys} keys"] * (entries != keys)
    allowed = {"sent", "replayed", "IDEMPOTENCY_IN_PROGRESS"}
    report.violations += [attempt.code for attempt in attempts if attempt.code not in allowed]
    return report


def _planned(stage: Stage) -> Message:
    """A message whose first four requests each may meet a fault."""
    groups = [sorted(group) for group in stage.faults.values()]
    named = [stage.random.choice(stage.random.choice([*groups, *[_PLANNED] * 5])) for _ in range(4)]
    return stage.message(*named)


def _report(title: str, stage: Stage, attempts: Sequence[Attempt]) -> Report:
    entries = stage.ledger.entries
    own = {attempt.message.conversation for attempt in attempts}
    report = Report(title)
    report.figures = {
        "answers": dict(Counter(attempt.code for attempt in attempts).most_common()),
        "ledger entries": sum(entry.conversation_id in own for entry in entries),
        "most entries of one key": max(Counter(entry.conversation_id for entry in entries).values()),
    }
    report.violations = judged(attempts, entries)
    upstream = {(entry.conversation_id, entry.idempotency_key) for entry in entries}
    if len(upstream) != len({conversation for conversation, _ in upstream}):
        report.violations.append("two Idempotency-Keys upstream for one message")
    return report
