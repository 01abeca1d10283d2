"""What no answer may be, by itself and beside the ledger of what was handed over."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from app.chat.conversations import SentMessage
from tests.system.behaviours import Entry
from tests.system.clients import Answer
from tests.system.faults.stage import Attempt

CODES = {
    400: {"IDEMPOTENCY_KEY_REUSED", "INVALID_CONVERSATION_ID", "MESSAGE_REJECTED"},
    403: {"FORBIDDEN"},
    429: {"CHAT_SERVICE_BUSY", "IDEMPOTENCY_IN_PROGRESS"},
    500: {
        "ACCOUNT_SERVICE_UNAVAILABLE",
        "CHAT_SERVICE_AUTH",
        "CHAT_SERVICE_UNAVAILABLE",
        "IDEMPOTENCY_UNAVAILABLE",
        "OVERLOADED",
        "SEND_OUTCOME_UNKNOWN",
    },
}
FIELDS = set(SentMessage().fields)
ERROR_FIELDS = {"error", "code", "timestamp", "path", "request_id", "send_outcome"}


def outcome(answer: Answer) -> str | None:
    """X-Send-Outcome."""
    return answer.headers["X-Send-Outcome"]


def misshapen(attempt: Attempt) -> Iterator[str]:
    """What of the answer is not as the contract says."""
    answer = attempt.answer
    if answer is None:
        return
    expected = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": attempt.request_id,
    }
    yield from (f"{name} is {answer.headers[name]}" for name in expected if answer.headers[name] != expected[name])
    for name in ("Limit", "Remaining", "Reset"):
        if not (answer.headers[f"X-RateLimit-{name}"] or "").isdigit():
            yield f"X-RateLimit-{name} is {answer.headers[f'X-RateLimit-{name}']}"
    try:
        document = json.loads(answer.body)
    except ValueError:
        yield f"{answer.status} that is not JSON"
        return
    yield from _good(attempt, document) if answer.status == 200 else _bad(answer, document)


def _good(attempt: Attempt, document: dict[str, dict[str, object]]) -> Iterator[str]:
    assert attempt.answer is not None
    if outcome(attempt.answer) != "sent" or "Retry-After" in attempt.answer.headers:
        yield f"200 with outcome {outcome(attempt.answer)}, Retry-After {attempt.answer.headers['Retry-After']}"
    data = document["data"]
    if set(document) != {"message", "data"} or set(data) != FIELDS:
        yield f"200 with {sorted(document)} and {sorted(data)}"
    if data["conversation_id"] != attempt.message.conversation:
        yield "200 about another conversation"


def _bad(answer: Answer, document: dict[str, object]) -> Iterator[str]:
    told, code = outcome(answer), document.get("code")
    if code not in CODES.get(answer.status, set()):
        yield f"{answer.status} {code}"
    if told != ("unknown" if code == "SEND_OUTCOME_UNKNOWN" else "not_sent") or document["send_outcome"] != told:
        yield f"{code} with outcome {told} and {document['send_outcome']}"
    waits = told == "not_sent" and answer.status in {429, 500}
    if waits != ((answer.headers["Retry-After"] or "0") > "0"):
        yield f"{code} with Retry-After {answer.headers['Retry-After']}"
    extra = {"status"} if answer.status == 400 else set()
    if set(document) != ERROR_FIELDS | extra:
        yield f"{code} with {sorted(document)}"


def untrue(attempts: Iterable[Attempt], entries: Sequence[Entry]) -> Iterator[str]:
    """What the answers say and the ledger does not, and what was sent twice."""
    handed_over = Counter(entry.request_id for entry in entries)
    for attempt in attempts:
        times = handed_over[attempt.request_id]
        told = outcome(attempt.answer) if attempt.answer else None
        if attempt.code == "sent" and times != 1:
            yield f"sent with {times} entries"
        if (told == "not_sent" or attempt.code == "replayed") and times:
            yield f"{attempt.code} with {times} entries"
    # A conversation is one message's own.
    for conversation, times in Counter(entry.conversation_id for entry in entries).items():
        if times > 1:
            yield f"{conversation} sent {times} times"


def unequal(attempts: Iterable[Attempt]) -> Iterator[str]:
    """Replays that are not the first answer, and second answers that are not told as replays."""
    bodies, firsts = defaultdict(set), Counter[int]()
    for attempt in attempts:
        if attempt.answer is not None and attempt.answer.status == 200:
            bodies[attempt.message.number].add(attempt.answer.body)
            firsts[attempt.message.number] += attempt.code == "sent"
    yield from (f"{len(different)} bodies under one key" for different in bodies.values() if len(different) > 1)
    yield from (f"{times} first answers under one key" for times in firsts.values() if times > 1)


def judged(attempts: Sequence[Attempt], entries: Sequence[Entry]) -> list[str]:
    """Everything above."""
    shapes = [problem for attempt in attempts for problem in misshapen(attempt)]
    return [*shapes, *untrue(attempts, entries), *unequal(attempts)]
