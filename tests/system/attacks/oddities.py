"""Bodies, paths and ids that nobody needs, again and again: refused at once and by the contract, at no cost."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from tests.ids import BAD_IDS
from tests.people import ACME, CONVERSATION, bearer
from tests.system.attacks.ground import Lane, serve, watched
from tests.system.attacks.oracles import blemishes, no_entry
from tests.system.clients import JSON, Request
from tests.system.faults.stage import Report, Stage
from tests.system.odd_requests import IDS, PATHS, SEND
from tests.system.processes import resident
from tests.unit.not_json import REFUSED

ANSWER_SECONDS = 0.02
# Of what the workers had after the rounds that warm them up.
GROWTH = 1.05

_GOOD = b'{"message_body": "canary-text"}'
# JSON without a message in it; what is no JSON is in REFUSED.
_EMPTY = rb"""
    {} [] null 1 "text" ["message_body"] {"message_body":null} {"message_body":1} {"message_body":true}
    {"message_body":""} {"message_body":"\t\r\n\u0020"} {"message_body":"\u00a0\u3000\u2028"} {"Message_Body":"a"}
    {"message_body":[]} {"message_body":["a"]} {"message_body":{"a":"b"}} {"data":{"message_body":"a"}}
""".split()
_KINDS = (
    *(
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "text/json",
    ),
    *("application/json; charset=utf-16", "application/jsonp", "application/json, text/plain"),
)
_PARTS = (
    *("%2f", "%5c", "..", ".", "%2e%2e", ";a=b", "%00", "%0d%0aX-A:b", "%ff", "%c0%ae", "%F0%9F%98%80"),
    *("*", "'", "%"),
)
_FILES = ("/.env", "/.git/config", "/wp-login.php", "/etc/passwd", "/actuator", "/admin", "/v2", "/v1/users")


@dataclass(frozen=True, slots=True)
class Oddity:
    """A request, and the statuses that are right for it; without its token it is 401."""

    name: str
    request: Request
    statuses: tuple[int, ...]


def _bodies() -> Iterator[Oddity]:
    for text in (*REFUSED.values(), *_EMPTY, b"x" * 65_537):
        for body in (text, [text] if text else []):
            yield Oddity("body", Request("POST", SEND, {**bearer(), **JSON}, body), (400,))
    for kind in _KINDS:
        yield Oddity("body", Request("POST", SEND, {**bearer(), "Content-Type": kind}, _GOOD), (400,))


def _paths() -> Iterator[Oddity]:
    for target in (*PATHS, *_FILES, *(f"/v1/{part}" for part in _PARTS), *(f"{SEND}/{part}" for part in _PARTS)):
        for method in ("GET", "POST", "DELETE"):
            yield Oddity("path", Request(method, target), (401, 404, 405))


def _ids() -> Iterator[Oddity]:
    spelt = [quote(spelling, safe="%:") for spelling in BAD_IDS]
    pairs = [*((spelling, CONVERSATION) for spelling in spelt), *((ACME, spelling) for spelling in spelt)]
    for target in (*(f"/v1/send-message/{company}/{conversation}" for company, conversation in pairs), *IDS):
        yield Oddity("id", Request("POST", target, {**bearer(), **JSON}, _GOOD), (400,))


@watched
def odd(stage: Stage, rounds: int, *, slack: float = 0.0) -> Report:
    """All oddities, with and without a token, so many times beside as many that warm the workers up.

    Each may take 20 ms, and `slack` seconds more, at its best: what is slow by itself is slow each time.
    """
    server = serve(stage)
    took: dict[int, list[float]] = defaultdict(list)
    known = [*_bodies(), *_paths(), *_ids()]
    report = Report(f"{len(known)} odd requests, {2 * rounds} times")
    with Lane(server.port) as lane:
        report.violations = [wrong for _ in range(rounds) for wrong in _round(lane, known, took)]
        before = sum(map(resident, server.pids()))
        report.violations += [wrong for _ in range(rounds) for wrong in _round(lane, known, took)]
    after = sum(map(resident, server.pids()))
    report.figures["by kind"] = dict(Counter(oddity.name for oddity in known))
    report.figures["memory of the workers before and after (KB)"] = [before, after]
    report.violations += [f"{after} KB of {before}"] * (after > GROWTH * before)
    report.violations += ["sent" for _ in stage.ledger.entries]
    _judge_times(report, known, took, ANSWER_SECONDS + slack)
    return report


def _round(lane: Lane, known: Sequence[Oddity], took: dict[int, list[float]]) -> Iterator[str]:
    for number, oddity in enumerate(known):
        request = oddity.request
        answer = lane.exchange(request.to_bytes(), request.method)
        took[number].append(answer.seconds)
        found = list(blemishes(answer, *oddity.statuses))
        if "Authorization" in request.headers:
            nobodys = {name: text for name, text in request.headers.items() if name != "Authorization"}
            found += no_entry(lane.exchange(replace(request, headers=nobodys).to_bytes()), presented=False)
        yield from (f"{wrong} to {oddity.name} {request.target} {request.body!r:.60}" for wrong in found)


def _judge_times(report: Report, known: Sequence[Oddity], took: dict[int, list[float]], allowed: float) -> None:
    ordered = sorted(seconds for several in took.values() for seconds in several)
    shares = [ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.99, 1)]
    best = {number: min(several) for number, several in took.items()}
    report.figures["median, 99 %, slowest (ms)"] = [round(1000 * seconds, 1) for seconds in shares]
    report.figures["slowest of all at their best (ms)"] = round(1000 * max(best.values()), 1)
    late = [number for number, seconds in best.items() if seconds > allowed]
    report.violations += [f"{1000 * best[number]:.0f} ms: {known[number]!r:.200}" for number in late]
