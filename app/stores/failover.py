"""Failover from a lost shared store: each process limits by itself, and claims are refused at once."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from app.errors import Outcome
from app.processes import PerProcess
from app.stores import Claim, Decision, Store, StoreLostError, UnreadableRecordError
from app.stores.memory import MemoryStore

logger = logging.getLogger(__name__)

# Outcomes of claims that a process keeps for a lost store. Each may come with a response of some 64 KB.
_MOST_OWED = 500

# The arguments of `Store.settle`.
_Settlement = tuple[str, str, str, Outcome, bytes]


@dataclass(slots=True)
class _Era:
    """A process's time from one recovery of the shared store to the next; with a `prober`, the store is lost."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    prober: threading.Thread | None = None


class FailoverStore:
    """Decides by the `shared` store and, while that is lost, by this process alone.

    Each of `processes` processes then admits its share of a limit, `limit // processes` and at least 1: together
    they stay within the limit, unless there are more processes than hits in it. A decision still states the whole
    limit, but `remaining` and the times are those of this process.

    Only hits in flight at the moment of the loss are delayed by it. Later hits do not call the shared store; one
    thread, which lives from the loss to the recovery, probes it about every `probe_every` seconds.

    A claim that fails may have been stored, and a stored one may end while the store is lost. Both are settled
    when the store is back; otherwise the keys would be in progress, and then of unknown outcome, for a day.

    The processes do not know what the shared store has admitted, and it does not learn what they admit: in the
    windows around a loss, however often the store comes and goes, both may admit the whole limit.
    """

    def __init__(self, shared: Store, processes: int, *, probe_every: float = 2.0) -> None:
        self._shared = shared
        self._processes = processes
        self._probe_every = probe_every
        self._era = PerProcess(_Era)
        self._owed: PerProcess[deque[_Settlement]] = PerProcess(lambda: deque(maxlen=_MOST_OWED))
        # Kept from one loss to the next: a store that comes and goes gives no user a new share each time.
        self._local = MemoryStore()

    @property
    def degraded(self) -> bool:
        """Whether the store is lost and this process decides alone."""
        return self._era.get().prober is not None

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Like `Store.hit`, but never raises StoreLostError."""
        era = self._era.get()
        if era.prober is None:
            with suppress(StoreLostError), self._noticing(era):
                return self._shared.hit(key, limit, window)
        share = max(1, limit // self._processes)
        return replace(self._local.hit(key, share, window), limit=limit, shared=False)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Like `Store.claim`; raises at once while the shared store is lost: no process may decide alone."""
        era = self._era.get()
        if era.prober is not None:
            raise StoreLostError("lost")
        # With `again`, an earlier message may be out under this key: it must not be released.
        owed: _Settlement | None = None if again else (key, fingerprint, owner, "not_sent", b"")
        with self._noticing(era, owed):
            return self._shared.claim(key, fingerprint, owner, lease=lease, again=again)

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Like `Store.settle`; also tried while the store is lost, as that may have been for a moment only."""
        with self._noticing(self._era.get(), (key, fingerprint, owner, outcome, answer)):
            self._shared.settle(key, fingerprint, owner, outcome, answer)

    def probe(self) -> None:
        """Like `Store.probe`, for the shared store."""
        self._shared.probe()

    def close(self) -> None:
        """Like `Store.close`; also ends the probing thread, if there is one, and forgets the loss."""
        era = self._era.get()
        if era.prober is not None:
            era.closing.set()
            era.prober.join()
        self._shared.close()

    @contextmanager
    def _noticing(self, era: _Era, owed: _Settlement | None = None) -> Iterator[None]:
        """Wrap a call of the shared store: note and log a loss or an unreadable record, and re-raise it.

        After a loss, `owed` is settled when the store is back.
        """
        try:
            yield
        except UnreadableRecordError as error:
            reason = str(error)
            logger.warning("record unreadable: %s; all others can be used", reason)
            raise
        except StoreLostError as error:
            if owed:
                self._owed.get().append(owed)
                # The loss that this call met may be over, and its prober gone: whoever owes needs one.
                era = self._era.get()
            self._lose(era, error)
            raise

    def _lose(self, era: _Era, error: StoreLostError) -> None:
        # A late failure finds that its own era is already lost, and so does not end the next one.
        # RuntimeError: no thread can be started right now, so the next hit calls the shared store and tries again.
        with era.lock, suppress(RuntimeError):
            if era.prober is None:
                prober = threading.Thread(target=self._probe, args=(era,), name="store-probe", daemon=True)
                prober.start()
                era.prober = prober
                reason = str(error)
                logger.warning("store lost: %s; this process admits 1/%d of each limit", reason, self._processes)

    def _probe(self, era: _Era) -> None:
        try:
            while not era.closing.wait(self._probe_every * random.uniform(0.75, 1.25)):  # noqa: S311 - spreads load
                if self._succeeds(self._shared.probe) and self._succeeds(self._settle_owed):
                    logger.warning("store back: limits are shared again")
                    break
        finally:
            # However this thread ends, the next hit calls the shared store.
            self._era = PerProcess(_Era)
            if not era.closing.is_set():
                # What became owed since the last look found this thread still there; from now on it starts
                # another. And what this one could not settle has no other.
                self._succeeds(self._settle_owed)

    def _succeeds(self, call: Callable[[], None]) -> bool:
        try:
            # A store that has such a record can be used.
            with suppress(UnreadableRecordError):
                call()
        except StoreLostError:
            return False
        except Exception as error:  # noqa: BLE001 - threading's own report of it would show its message
            logger.error("store not asked", extra={"exception": type(error).__name__})  # noqa: TRY400 - as above
            return False
        return True

    def _settle_owed(self) -> None:
        for settlement in self._take_owed():
            with suppress(UnreadableRecordError):
                self.settle(*settlement)

    def _take_owed(self) -> Iterator[_Settlement]:
        # The prober of an era that is over may take them beside that of the next.
        owed = self._owed.get()
        with suppress(IndexError):
            while True:
                yield owed.popleft()
