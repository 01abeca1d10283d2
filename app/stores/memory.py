"""The store of a single process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from app.stores import Decision
from app.stores.processes import PerProcess
from app.stores.window import SECOND, admit, decide

MOST_KEYS = 100_000


@dataclass(slots=True)
class _Windows:
    lock: threading.Lock = field(default_factory=threading.Lock)
    by_key: OrderedDict[str, str] = field(default_factory=OrderedDict)


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

    def probe(self) -> None:
        """As `Store.probe`: memory is always there."""

    def close(self) -> None:
        """As `Store.close`: there are no connections, and the windows stay."""
