"""The store of a single process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError
from app.stores.keys import CLAIMED, judge, lifetime
from app.stores.processes import PerProcess
from app.stores.window import SECOND, admit, decide

MOST_KEYS = 100_000


@dataclass(slots=True)
class _Key:
    fingerprint: str
    owner: str
    lapses_at: int
    expires_at: int
    state: str = CLAIMED
    answer: bytes = b""


@dataclass(slots=True)
class _Windows:
    lock: threading.Lock = field(default_factory=threading.Lock)
    by_key: OrderedDict[str, str] = field(default_factory=OrderedDict)
    claims: dict[str, _Key] = field(default_factory=dict)


class MemoryStore:
    """Windows in the memory of one process; `clock` gives epoch seconds.

    Nothing is shared: a child of a fork starts empty. At most `most_keys` windows are kept and the least
    recently used one is dropped for a new one. What that can cost: a user whose window is dropped before it
    ended, because that many other users came meanwhile, gets a fresh one.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._windows = PerProcess(_Windows)

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`; raises nothing."""
        windows = self._windows.get()
        length = window * SECOND
        with windows.lock:
            now = int(self._clock() * SECOND)
            admitted, stamps = admit(windows.by_key.get(key, ""), now, limit, length)
            windows.by_key[key] = stamps
            windows.by_key.move_to_end(key)
            if len(windows.by_key) > self._most_keys:
                windows.by_key.popitem(last=False)
        return decide(admitted=admitted, now=now, stamps=stamps, limit=limit, window=length)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; a store that is full of keys that still hold counts as lost, none is dropped."""
        windows = self._windows.get()
        lapses, kept = lifetime(lease)
        with windows.lock:
            now = int(self._clock() * SECOND)
            self._forget_ended(windows.claims, now)
            known = windows.claims.get(key)
            if (
                known is None
                or known.expires_at <= now
                or (again and known.fingerprint == fingerprint and _is_unknown(known, now))
            ):
                known = windows.claims[key] = _Key(fingerprint, owner, now + lapses, now + kept)
            return judge(
                mine=known.owner == owner,
                same=known.fingerprint == fingerprint,
                state=known.state,
                lapsed=known.lapses_at <= now,
                answer=known.answer,
            )

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`; raises nothing."""
        windows = self._windows.get()
        with windows.lock:
            known = windows.claims.get(key)
            if known is None or known.owner != owner:
                return
            if outcome == "not_sent":
                del windows.claims[key]
            else:
                known.state, known.answer = outcome, answer

    def _forget_ended(self, claims: dict[str, _Key], now: int) -> None:
        # Claims are kept in the order in which they were first made, which is nearly that of their ends.
        for key in list(islice(claims, 2)):
            if claims[key].expires_at <= now:
                del claims[key]
        if len(claims) >= self._most_keys:
            raise StoreLostError("full")

    def probe(self) -> None:
        """As `Store.probe`: memory is always there."""

    def close(self) -> None:
        """As `Store.close`: there are no connections, and the windows stay."""


def _is_unknown(known: _Key, now: int) -> bool:
    return known.state == "unknown" or (known.state == CLAIMED and known.lapses_at <= now)
