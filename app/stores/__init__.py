"""Where limits live: one small interface, one module a store.

A window is what a key was admitted to: the moments of its latest `limit` admissions, oldest first. A hit is
admitted when fewer than `limit` are known or the oldest of them has left the window. So no window of that
length, wherever it begins, ever holds more than `limit` admissions, and a key costs a bounded amount of room.
"""

from dataclasses import dataclass
from typing import Protocol


class StoreLostError(Exception):
    """The store cannot be used now: unreachable, stopped, held by another process, full.

    Its text is a fixed word of ours for the log, never the library's.
    """


@dataclass(frozen=True, slots=True)
class Decision:
    """What one hit was answered, and what its caller is told.

    `remaining` hits are left now. The next slot frees at `reset_at`, in whole epoch seconds. After
    `retry_after` whole seconds, at least 1, a refused hit would be admitted if nobody else came first.
    """

    admitted: bool
    limit: int
    remaining: int
    reset_at: int
    retry_after: int


class Store(Protocol):
    """State of all workers; a decision is one atomic call. Every call is safe from any thread and after a fork."""

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Charge `key`, any text, once: at most `limit` admissions in any `window` seconds, both at least 1.

        Raises StoreLostError within about 0.2 s; the hit may then have been counted.
        """
        ...

    def probe(self) -> None:
        """Raise StoreLostError unless a hit would be decided now."""
        ...

    def close(self) -> None:
        """Let go of connections; the store may be used again."""
        ...
