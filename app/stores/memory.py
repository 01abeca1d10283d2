"""The store for a single process, in its memory."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from app.errors import Outcome
from app.processes import PerProcess
from app.stores import Claim, Decision, StoreLostError
from app.stores.records import CLAIMED, KEPT, SECOND, admit, decide, judge, lifetime

MOST_KEYS = 100_000


@dataclass(slots=True)
class _Key:
    fingerprint: str
    owner: str
    lapses_at: int
    expires_at: int
    state: str = CLAIMED
    answer: bytes = b""

    def is_unknown(self, now: int) -> bool:
        return self.state == "unknown" or (self.state == CLAIMED and self.lapses_at <= now)


@dataclass(slots=True)
class _Records:
    lock: threading.Lock = field(default_factory=threading.Lock)
    windows: OrderedDict[str, str] = field(default_factory=OrderedDict)
    keys: dict[str, _Key] = field(default_factory=dict)


class MemoryStore:
    """Windows and keys in the memory of one process; `clock` returns epoch seconds.

    Nothing is shared: a forked child starts empty. At most `most_keys` windows are kept; a new one evicts the
    least recently used, so a user's window starts afresh too early if that many others came meanwhile.
    """

    def __init__(self, clock: Callable[[], float] = time.time, *, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._records = PerProcess(_Records)

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Like `Store.hit`; raises nothing."""
        records = self._records.get()
        length = window * SECOND
        with records.lock:
            now = int(self._clock() * SECOND)
            admitted, stamps = admit(records.windows.get(key, ""), now, limit, length)
            records.windows[key] = stamps
            records.windows.move_to_end(key)
            if len(records.windows) > self._most_keys:
                records.windows.popitem(last=False)
        return decide(admitted=admitted, now=now, stamps=stamps, limit=limit, window=length)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Like `Store.claim`; no live key is evicted: a store full of them raises StoreLostError."""
        records = self._records.get()
        lapses, kept = lifetime(lease)
        with records.lock:
            now = int(self._clock() * SECOND)
            self._forget_ended(records.keys, now)
            known = records.keys.get(key)
            same = known is not None and known.fingerprint == fingerprint
            if not known or known.expires_at <= now or (again and same and known.is_unknown(now)):
                # Keys stay in the order of their latest claims.
                records.keys.pop(key, None)
                if len(records.keys) >= self._most_keys:
                    raise StoreLostError("full")
                known = records.keys[key] = _Key(fingerprint, owner, now + lapses, now + kept)
            return judge(known.owner == owner, same, known.state, known.lapses_at <= now, known.answer)

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Like `Store.settle`; raises nothing."""
        records = self._records.get()
        with records.lock:
            now = int(self._clock() * SECOND)
            known = records.keys.setdefault(key, _Key(fingerprint, owner, now, now + KEPT))
            if known.owner == owner:
                known.state, known.answer = outcome, answer
                if outcome == "not_sent":
                    del records.keys[key]

    def probe(self) -> None:
        """Do nothing: memory is always available."""

    def close(self) -> None:
        """Do nothing: there are no connections, and the records stay."""

    @staticmethod
    def _forget_ended(keys: dict[str, _Key], now: int) -> None:
        # Keys are in the order of their claims, which is nearly that of their expiry.
        for key in list(islice(keys, 2)):
            if keys[key].expires_at <= now:
                del keys[key]
