"""What a claim on a key means, the same in SQL, in Lua and in Python.

A record has the fingerprint and the owner of the claim, its state (`claimed`, then `sent` or `unknown`), the
moment at which an unsettled claim lapses, and the answer that was sent. A lapsed claim counts as unknown: its
owner died.
"""

from app.stores import KEPT_SECONDS, Claim, ClaimState
from app.stores.window import SECOND

CLAIMED = "claimed"


def lifetime(lease: float) -> tuple[int, int]:
    """When a claim lapses and when it is forgotten, in microseconds from now: a day after it can be settled."""
    return int(lease * SECOND), int((lease + KEPT_SECONDS) * SECOND)


def judge(*, mine: bool, same: bool, state: str, lapsed: bool, answer: bytes | None) -> Claim:
    """What the asker is told, from the record after the claim."""
    if mine:
        return Claim(ClaimState.NEW)
    if not same:
        return Claim(ClaimState.REUSED)
    if state == CLAIMED:
        return Claim(ClaimState.UNKNOWN if lapsed else ClaimState.IN_PROGRESS)
    return Claim(ClaimState(state), answer)
