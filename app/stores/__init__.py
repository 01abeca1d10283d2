"""Where limits and idempotency keys live: one small interface, one module a store.

A window is what a key was admitted to: the moments of its latest `limit` admissions, oldest first. A hit is
admitted when fewer than `limit` are known or the oldest of them has left the window. So no window of that
length, wherever it begins, ever holds more than `limit` admissions, and a key costs a bounded amount of room.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.errors import Outcome

# How long a key is known after its lease has run out, in seconds.
KEPT_SECONDS = 86_400


class StoreLostError(Exception):
    """The store cannot be used now: unreachable, stopped, held by another process, full.

    Its text is for the log: the library's name for the kind of error, never its message, which may show a URL.
    """


class UnreadableRecordError(StoreLostError):
    """One record is not as a store writes it. The others can be used."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one hit was answered, and what its caller is told.

    `remaining` hits are left now. The next slot frees at `reset_at`, in whole epoch seconds. After
    `retry_after` whole seconds, at least 1, a refused hit would be admitted if nobody else came first. It is not
    `shared` where the store is lost and this process decided alone.
    """

    admitted: bool
    limit: int
    remaining: int
    reset_at: int
    retry_after: int
    shared: bool = True


class ClaimState(StrEnum):
    """What a key was found to be."""

    NEW = "new"
    """It is the asker's now."""
    IN_PROGRESS = "in progress"
    """Somebody's claim on it has not run out."""
    SENT = "sent"
    UNKNOWN = "unknown"
    """Recorded so, or claimed by somebody who never recorded anything."""
    REUSED = "reused"
    """Known with another fingerprint."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The end of an attempt to claim a key; `answer` is what was recorded with `sent`."""

    state: ClaimState
    answer: bytes | None = None


class Store(Protocol):
    """State of all workers; a decision is one atomic call. Every call is safe from any thread and after a fork."""

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Charge `key`, any text, once: at most `limit` admissions in any `window` seconds, both at least 1.

        Raises StoreLostError within about 0.2 s; the hit may then have been counted.
        """

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Take `key` for `owner`, if nobody knows it; with `again` also if its outcome is unknown.

        A claim that is not settled within `lease` seconds counts as unknown from then on. Keys are forgotten
        after KEPT_SECONDS. Raises StoreLostError; the key may then have been claimed.
        """

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Record the end of the owner's claim; `not_sent` forgets the key, `answer` is kept with `sent`.

        Nothing happens when the key is no longer the owner's. Raises StoreLostError.
        """

    def probe(self) -> None:
        """Raise StoreLostError unless a hit would be decided now."""

    def close(self) -> None:
        """Let go of connections; the store may be used again."""
