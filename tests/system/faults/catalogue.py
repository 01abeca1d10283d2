"""The faults by name, and what a caller may truly be told of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from tests.system.behaviours import (
    Behaviour,
    closes,
    delivers,
    drips,
    half_body,
    half_headers,
    hangs,
    http_answer,
    resets,
)
from tests.system.faults import acts
from tests.system.faults.acts import taking
from tests.system.faults.laboratory import Act, reset_unread

SENT = "sent"
UNKNOWN = "SEND_OUTCOME_UNKNOWN"
DOWN = "CHAT_SERVICE_UNAVAILABLE"
# 4xx that are no fault of ours.
REFUSALS = {
    400: "MESSAGE_REJECTED",
    401: "CHAT_SERVICE_AUTH",
    403: "FORBIDDEN",
    404: "INVALID_CONVERSATION_ID",
    413: "MESSAGE_REJECTED",
    422: "MESSAGE_REJECTED",
    429: "CHAT_SERVICE_BUSY",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, and the codes (or SENT) that are true answers to it.

    `letters` is how many the message must have, so that the request is long enough.
    """

    act: Act
    codes: frozenset[str] = field(default_factory=lambda: frozenset({UNKNOWN}))
    letters: int = 10


def _wire() -> dict[str, Fault]:
    """Faults of the connection."""
    behaviours: dict[str, Behaviour] = {
        "reset after the request": resets,
        "close": closes,
        "hang": hangs,
        "half headers": half_headers,
        "cut body": half_body,
        "cut body without length": acts.without_length,
        "silence within the body": acts.silent_within,
        "dripped headers": drips,
        "dripped body": acts.dripping_body,
        "flood of 1xx": acts.flooding,
        "endless headers": acts.many_headers,
        "300 MB": acts.huge,
        "300 MB in chunks": acts.huge_chunks,
    }
    return {
        "reset unread": Fault(lambda exchange: reset_unread(exchange.sock)),
        **{
            f"reset after {part} of the request": Fault(partial(acts.resetting_after, share), letters=60_000)
            for part, share in (("one byte", 0.0), ("a bit", 0.005), ("half", 0.9))
        },
        **{name: Fault(taking(behaviour)) for name, behaviour in behaviours.items()},
    }


def _content() -> dict[str, Fault]:
    """Whole answers that prove nothing, and odd ones that do."""
    doubtful: dict[str, Behaviour] = {
        "gzip bomb": acts.bombing,
        "garbage": acts.garbage,
        "not JSON": acts.raw(b"<html>sent</html>"),
        "empty": acts.raw(b""),
        "not UTF-8": acts.raw(b'{"conversation_id": "\xff"}'),
        "deep": acts.raw(b"[" * 60_000),
        "field missing": acts.without_id,
        "field of another type": partial(acts.changed, is_me=1),
        "wrong conversation": partial(acts.changed, conversation_id="0" * 36),
    }
    odd: dict[str, Behaviour] = {
        "early hints": acts.hinting,
        "bytes behind the answer": acts.talking_on,
        "further fields": partial(acts.changed, template_id=None),
    }
    return {
        **{name: Fault(taking(behaviour)) for name, behaviour in doubtful.items()},
        **{name: Fault(taking(behaviour), frozenset({SENT})) for name, behaviour in odd.items()},
        "late": Fault(acts.late(0.3), frozenset({SENT})),
    }


def _statuses(trap: str) -> dict[str, Fault]:
    def redirect(status: int) -> Behaviour:
        return lambda caller, _: caller.send(http_answer(status, {}, Location=trap))

    def failure(status: int) -> Behaviour:
        return lambda caller, _: caller.send(http_answer(status, {}))

    return {
        **{f"{status}": Fault(taking(redirect(status))) for status in (300, 301, 302, 303, 304, 305, 307, 308)},
        **{
            f"{status}": Fault(partial(acts.refusing, status), frozenset({REFUSALS.get(status, DOWN)}))
            for status in (*range(400, 419), *range(421, 427), 428, 429, 431, 451, 499)
        },
        **{f"{status}": Fault(taking(failure(status))) for status in (*range(500, 509), 510, 511, 599)},
    }


DELIVERS = Fault(taking(delivers), frozenset({SENT}))


def catalogue(trap: str) -> Mapping[str, Mapping[str, Fault]]:
    """All faults by name, in three groups; redirects lead to `trap`."""
    return {"wire": _wire(), "content": _content(), "status": _statuses(trap)}
