"""A shared store that may be lost for a while without anybody's request failing."""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from app.errors import Outcome
from app.stores import Claim, Decision, Store, StoreLostError
from app.stores.memory import MemoryStore
from app.stores.processes import PerProcess

PROBE_EVERY_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What this process knows of the shared store. `losses` tells a late report of an old loss from a new one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    lost: bool = False
    losses: int = 0
    local: MemoryStore = field(default_factory=MemoryStore)
    closing: threading.Event = field(default_factory=threading.Event)
    prober: threading.Thread | None = None


class FailoverStore:
    """Decides by `shared`, and while that is lost by this process alone.

    Of a limit that `processes` processes share, each then keeps its share, `limit // processes` and at least 1:
    together they admit no more than the limit, unless there are more processes than hits in it. A decision
    then still names the whole limit, with the `remaining` and the times of this process.

    Only hits in flight at the moment of the loss are delayed by it. From then on hits do not ask the shared
    store; one thread, which lives from the loss to the recovery, asks it every two seconds. What was
    admitted meanwhile is forgotten when the shared store is back.
    """

    def __init__(self, shared: Store, processes: int, *, probe_every: float = PROBE_EVERY_SECONDS) -> None:
        self._shared = shared
        self._processes = processes
        self._probe_every = probe_every
        self._watch = PerProcess(_Watch)

    @property
    def degraded(self) -> bool:
        """Whether this process decides alone at the moment."""
        return self._watch.get().lost

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`, but never raises StoreLostError."""
        watch = self._watch.get()
        losses = watch.losses
        if not watch.lost:
            try:
                return self._shared.hit(key, limit, window)
            except StoreLostError as error:
                self._lose(watch, losses, error)
        elif watch.prober is None or not watch.prober.is_alive():
            self._start_prober(watch)
        share = max(1, limit // self._processes)
        return replace(watch.local.hit(key, share, window), limit=limit)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; while the shared store is lost it raises at once: no process may decide alone."""
        with self._noticing_loss():
            return self._shared.claim(key, fingerprint, owner, lease=lease, again=again)

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`."""
        with self._noticing_loss():
            self._shared.settle(key, owner, outcome, answer)

    def probe(self) -> None:
        """As `Store.probe`, of the shared store."""
        self._shared.probe()

    def close(self) -> None:
        """As `Store.close`; waits for the thread, if there is one, and forgets the loss."""
        watch = self._watch.get()
        watch.closing.set()
        if watch.prober is not None and watch.prober.is_alive():
            watch.prober.join()
        with watch.lock:
            watch.lost, watch.prober = False, None
            watch.closing.clear()
        self._shared.close()

    @contextmanager
    def _noticing_loss(self) -> Iterator[None]:
        watch = self._watch.get()
        losses = watch.losses
        if watch.lost:
            raise StoreLostError("lost")
        try:
            yield
        except StoreLostError as error:
            self._lose(watch, losses, error)
            raise

    def _lose(self, watch: _Watch, losses: int, error: StoreLostError) -> None:
        with watch.lock:
            if watch.losses != losses:
                return
            watch.losses += 1
            watch.lost = True
        logger.warning(
            "store lost: %s; this process admits 1/%d of each limit until it is back", error, self._processes
        )
        self._start_prober(watch)

    def _start_prober(self, watch: _Watch) -> None:
        with watch.lock:
            if not watch.lost or (watch.prober is not None and watch.prober.is_alive()):
                return
            prober = threading.Thread(
                target=self._probe_until_back, args=(watch,), name="store-probe", daemon=True
            )
            try:
                prober.start()
            except RuntimeError:
                # No thread can be had right now; the hit is decided all the same and the next one tries again.
                return
            watch.prober = prober

    def _probe_until_back(self, watch: _Watch) -> None:
        while not watch.closing.wait(self._probe_every * random.uniform(0.75, 1.25)):  # noqa: S311 - spreads load
            try:
                self._shared.probe()
            except StoreLostError:
                continue
            with watch.lock:
                watch.local = MemoryStore()
                watch.lost = False
            logger.warning("store back: limits are shared again")
            return
