"""The ledger, the answers, the log and the metrics of the same sends: all say the same, to the last one."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from tests.people import GLOBEX
from tests.system.behaviours import Entry
from tests.system.clients import Connection, sending, together
from tests.system.faults.oracles import outcome, untrue
from tests.system.faults.sends import plan, serving_places
from tests.system.faults.stage import Attempt, Report, Stage
from tests.system.processes import await_until
from tests.system.scrapes import ROUTE, Scrape, scrape
from tests.system.servers import Server

Line = Mapping[str, Any]
Errand = tuple[str, Sequence[Attempt]]
Counts = Counter[tuple[str, ...]]

_KEYED, _REFUSED = 0.15, 0.05
_ENDS_OF_KEYS = {"IDEMPOTENCY_KEY_REUSED": "reused", "IDEMPOTENCY_IN_PROGRESS": "in_progress"}
# What nobody has a message sent for: the caller is nobody, the company is none, or another's.
_REFUSALS: Sequence[dict[str, Any]] = (
    {"headers": {"Authorization": "Bearer x"}},
    {"company": "x"},
    {"company": GLOBEX},
    {"text": " "},
)


def agreement(stage: Stage, count: int, callers: int) -> Report:
    """`count` errands: sends into faults or not, some repeated under a key, and requests that are refused."""
    # Nobody is turned away for want of room, so that it is known how far each request came.
    with serving_places(stage, LOG_LEVEL="INFO", THREADS="64") as servers:
        errands = [_errand(stage, servers) for _ in range(count)]
        with ThreadPoolExecutor(callers) as threads:
            done = list(threads.map(lambda errand: errand(), errands))
        attempts: dict[str, list[Attempt]] = defaultdict(list)
        for place, told in done:
            attempts[place] += told
        report = Report(f"{count} errands")
        report.violations = list(
            untrue([each for told in attempts.values() for each in told], stage.ledger.entries)
        )
        lines, seen = list[Line](), list[Scrape]()
        for place, told in attempts.items():
            lines += (own := _lines(servers[place], len(told)))
            seen.append(scrape(servers[place]))
            report.violations += [*_told(told, own), *_counted(own, seen[-1])]
    _tell(report, [each for told in attempts.values() for each in told], lines, seen)
    report.figures["ledger entries"] = len(stage.ledger.entries)
    report.violations += _entered(lines, stage.ledger.entries)
    return report


def _errand(stage: Stage, servers: Mapping[str, Server]) -> Callable[[], Errand]:
    """What a caller does; tells where, and what came."""
    chance = stage.random.random()
    if chance < _KEYED:
        return partial(_repeat, stage, servers[""].port, stage.random.randrange(4), _faults(stage))
    if chance < _KEYED + _REFUSED:
        return partial(_be_refused, stage, servers[""].port, stage.random.choice(_REFUSALS))
    place, message = plan(stage)
    return lambda: (place, [stage.send(servers[place].port, message)])


def _faults(stage: Stage) -> list[str]:
    group = stage.random.choice([["delivers"], ["late"], *map(sorted, stage.faults.values())])
    return [stage.random.choice(group)]


def _repeat(stage: Stage, port: int, way: int, faults: Sequence[str]) -> Errand:
    """A message under its key, three times: at once, or after each other, and then with another text."""
    message = stage.message(*faults)
    send = partial(stage.send, port, message, keyed=True)
    told = together([send] * 3) if way == 0 else [send() for _ in range(3)]
    if way == 1:
        told.append(stage.send(port, replace(message, letters=message.letters + 1), keyed=True))
    return "", told


def _be_refused(stage: Stage, port: int, changes: dict[str, Any]) -> Errand:
    message = stage.message()
    request_id = f"refused-{message.number}"
    told = {"conversation": message.conversation, "headers": {}, **changes}
    request = sending(**{**told, "headers": {"X-Request-ID": request_id, **told["headers"]}})
    with Connection(port) as connection:
        return "", [Attempt(message, request_id, connection.ask(request))]


def _lines(server: Server, count: int) -> list[Line]:
    """The lines of the requests that may send; one may be written when its answer has gone out."""
    found: list[Line] = []

    def are_here() -> bool:
        found[:] = [line for line in server.events("request") if line["route"] == ROUTE]
        return len(found) >= count

    await_until(are_here, lambda: f"{len(found)} lines for {count} requests")
    return found


def _told(attempts: Sequence[Attempt], lines: Sequence[Line]) -> Iterator[str]:
    """Where the answers differ from the log."""
    by_id = {line["request_id"]: line for line in lines}
    if not len(by_id) == len(lines) == len(attempts):
        yield f"{len(attempts)} requests, {len(lines)} lines, {len(by_id)} ids in them"
    for attempt in attempts:
        assert attempt.answer is not None, attempt
        answer, line = attempt.answer, by_id[attempt.request_id]
        said = (answer.status, answer.code, outcome(answer), attempt.code == "replayed")
        logged = (line["status"], line["code"], line["send_outcome"], bool(line.get("replayed")))
        if said != logged:
            yield f"answered {said}, logged {logged}"


def _counted(lines: Sequence[Line], seen: Scrape) -> Iterator[str]:
    """Where the log differs from the metrics."""
    sends = [line for line in lines if line["send_outcome"]]
    expected: dict[str, Counts] = {
        "requests_total": Counter((str(line["status"]), line["code"] or "none") for line in lines),
        "sends_total": Counter((line["send_outcome"], line["reason"]) for line in sends),
        "limit_decisions_total": Counter((line["limit"], line["store"]) for line in lines if line.get("limit")),
        "account_lookups_total": Counter((line["account"],) for line in lines if line.get("account")),
        "idempotency_total": Counter((found,) for line in lines if (found := _of_key(line))),
        "stage_seconds_count": Counter({("total",): len(lines)}),
    }
    actual = {
        "requests_total": seen.by("requests_total", "status", "code", route=ROUTE),
        "sends_total": seen.by("sends_total", "outcome", "reason"),
        "limit_decisions_total": seen.by("limit_decisions_total", "decision", "store"),
        "account_lookups_total": seen.by("account_lookups_total", "result"),
        "idempotency_total": seen.by("idempotency_total", "result"),
        "stage_seconds_count": seen.by("stage_seconds_count", "stage", route=ROUTE, stage="total"),
    }
    for metric, counts in expected.items():
        for labels in sorted(counts.keys() | actual[metric].keys()):
            if counts[labels] != actual[metric][labels]:
                yield f"{metric}{labels}: {counts[labels]} logged, {actual[metric][labels]} counted"


def _of_key(line: Line) -> str | None:
    """What was found of the request's key; None where it was not looked for."""
    if line.get("replayed"):
        return "replayed"
    if line["code"] in _ENDS_OF_KEYS:
        return _ENDS_OF_KEYS[line["code"]]
    if line["code"] == "SEND_OUTCOME_UNKNOWN" and not line.get("attempts"):
        return "unknown"
    return "new" if line.get("idempotency_key") else None


def _entered(lines: Sequence[Line], entries: Sequence[Entry]) -> Iterator[str]:
    """Where the ledger differs from the log."""
    by_id = {line["request_id"]: line for line in lines}
    for entry in entries:
        line = by_id.get(entry.request_id)
        if line is None or line.get("replayed") or line["send_outcome"] not in {"sent", "unknown"}:
            yield f"an entry whose line is {line and (line['send_outcome'], line['reason'])}"
    handed_over = Counter(entry.request_id for entry in entries)
    for line in lines:
        if line["send_outcome"] == "sent" and handed_over[line["request_id"]] != (not line.get("replayed")):
            yield f"a line says sent ({line['reason']}), the ledger has {handed_over[line['request_id']]}"


def _tell(report: Report, attempts: Sequence[Attempt], lines: Sequence[Line], seen: Sequence[Scrape]) -> None:
    answered = Counter(str(outcome(attempt.answer)) for attempt in attempts if attempt.answer)
    logged = Counter(str(line["send_outcome"]) for line in lines)
    counted, reasons = Counter[str](), Counter[tuple[str, ...]]()
    for each in seen:
        counted.update({told: number for (told,), number in each.by("sends_total", "outcome").items()})
        reasons.update(each.by("sends_total", "outcome", "reason"))
    counted["None"] = int(sum(each.total("requests_total", code="UNAUTHORIZED") for each in seen))
    report.figures["requests"] = len(attempts)
    for told in sorted(answered | logged | counted):
        report.figures[f"{told}: answers, lines, counted"] = [answered[told], logged[told], counted[told]]
    report.figures["reasons counted"] = {" ".join(labels): number for labels, number in reasons.most_common()}
    codes = Counter(attempt.code for attempt in attempts)
    report.figures["answers"] = dict(codes.most_common())
