"""The format of records, with the same meaning in SQL, in Lua and in Python.

A window is one string: its latest admissions, each 16 digits of microseconds since the epoch, oldest first. The
fixed width makes the limit-th latest a slice from the end, and lets strings be compared like times. Only the end
of the string is ever read, so raising or lowering a limit between two deployments needs no migration.

A key has the fingerprint and the owner of its claim, its state (`claimed`, then `sent` or `unknown`), the time at
which an unsettled claim lapses, and the caller's response. A lapsed claim counts as unknown: its owner died.
"""

from bisect import bisect_right

from app.stores import KEPT_SECONDS, Claim, ClaimState, Decision, UnreadableRecordError

WIDTH = 16
SECOND = 1_000_000
CLAIMED = "claimed"
# How long a key is kept that is recorded anew, in microseconds.
KEPT = KEPT_SECONDS * SECOND
_SETTLED = frozenset({"sent", "unknown"})


def admit(stamps: str, now: int, limit: int, window: int) -> tuple[bool, str]:
    """Return whether a hit at `now` is admitted, and the record after it; `now` and `window` in microseconds.

    This is the reference for the SQL and the Lua, which do the same where the record lives. A clock that stepped
    back leaves stamps in the future: the record is dropped if its newest is more than a window ahead, and
    otherwise goes on from its newest, so that stamps never run backwards.
    """
    length = limit * WIDTH
    newest = int(stamps[-WIDTH:] or 0)
    if newest > now + window:
        stamps, newest = "", 0
    admitted = len(stamps) < length or int(stamps[-length:][:WIDTH]) <= now - window
    if not admitted:
        return False, stamps
    return True, f"{stamps}{max(now, newest):0{WIDTH}d}"[-length:]


def decide(*, admitted: bool, now: int, stamps: str, limit: int, window: int) -> Decision:
    """Return the decision on a hit, from the record after it; `now` and `window` in microseconds.

    `reset_at` is when the oldest admission that counts leaves the window, rounded up to a second. Raises
    UnreadableRecordError.
    """
    counted = stamps[-limit * WIDTH :]
    if counted and not (counted.isascii() and counted.isdigit()):
        raise UnreadableRecordError("stamps")
    known = len(counted) // WIDTH
    left_the_window = bisect_right(
        range(known), f"{now - window:0{WIDTH}d}", key=lambda i: counted[i * WIDTH : (i + 1) * WIDTH]
    )
    oldest = int(counted[left_the_window * WIDTH :][:WIDTH] or now)
    inside = known - left_the_window
    wait = oldest + window - now if inside == limit else 0
    return Decision(
        admitted=admitted,
        limit=limit,
        remaining=limit - inside,
        reset_at=-((oldest + window) // -SECOND),
        retry_after=max(1, -(wait // -SECOND)),
    )


def lifetime(lease: float) -> tuple[int, int]:
    """Return when a claim lapses, and when it is forgotten, a day after that, in microseconds from now."""
    return int(lease * SECOND), int((lease + KEPT_SECONDS) * SECOND)


def judge(mine: int, same: int, state: str, lapsed: int, answer: bytes | None) -> Claim:
    """Return the result of a claim, from the record after it; flags are 0 or 1, as in SQL and Lua.

    Raises UnreadableRecordError, also for a state that a later release has added.
    """
    if mine:
        return Claim(ClaimState.NEW)
    if not same:
        return Claim(ClaimState.REUSED)
    if state == CLAIMED:
        return Claim(ClaimState.UNKNOWN if lapsed else ClaimState.IN_PROGRESS)
    if state not in _SETTLED:
        raise UnreadableRecordError("state")
    return Claim(ClaimState(state), answer)
