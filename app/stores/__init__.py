"""Stores of rate limits and idempotency keys: one small interface, one module per store.

A window records when a key was admitted: the times of its latest `limit` admissions, oldest first. A hit is
admitted if fewer than `limit` are recorded or the oldest of them has left the window. So no interval of that
length, wherever it begins, ever holds more than `limit` admissions, and a key takes a bounded amount of space.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.errors import Outcome

# How long a key is kept after its lease has ended, in seconds.
KEPT_SECONDS = 86_400


class StoreLostError(Exception):
    """The store cannot be used now: unreachable, stopped, locked by another process, or full.

    The text is for the log: a name for the kind of error, never the library's message, which may show a URL.
    """


class UnreadableRecordError(StoreLostError):
    """One record is not in the format that stores write; the others can be used."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one hit, with the figures for its caller.

    `remaining` hits are left now. The next slot frees at `reset_at`, in whole epoch seconds. After `retry_after`
    whole seconds, at least 1, a refused hit would be admitted if no other came first. `shared` is false if the
    store is lost and this process decided alone.
    """

    admitted: bool
    limit: int
    remaining: int
    reset_at: int
    retry_after: int
    shared: bool = True


class ClaimState(StrEnum):
    """The state in which a key was found."""

    NEW = "new"
    """Claimed now, by the caller."""
    IN_PROGRESS = "in progress"
    """Claimed by another owner whose lease has not ended."""
    SENT = "sent"
    UNKNOWN = "unknown"
    """Recorded as such, or claimed and not settled within the lease."""
    REUSED = "reused"
    """Known with another fingerprint."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of an attempt to claim a key; `answer` is the response recorded with `sent`."""

    state: ClaimState
    answer: bytes | None = None


class Store(Protocol):
    """State of all workers; each decision is one atomic call. Calls are safe from any thread and after a fork."""

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Count one hit on `key`, any text: at most `limit` admissions in any `window` seconds, both at least 1.

        Raises StoreLostError within about 0.2 s, SQLite within 1.2 s if the threads of a process contend; the hit
        may have been counted nevertheless.
        """

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Claim `key` for `owner` if it is new; with `again`, also if the outcome of this fingerprint is unknown.

        A claim that is not settled within `lease` seconds counts as unknown from then on. A key is forgotten
        KEPT_SECONDS after its lease. Raises StoreLostError; the key may have been claimed nevertheless.
        """

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Record the outcome of the owner's claim; `not_sent` deletes the key, `answer` is kept with `sent`.

        A store that has forgotten the claim, such as a replica that it never reached, records the key anew. Does
        nothing if the key is another owner's by now. Raises StoreLostError.
        """

    def probe(self) -> None:
        """Raise StoreLostError unless the store can decide a hit now."""

    def close(self) -> None:
        """Close idle connections; the store may be used again."""
