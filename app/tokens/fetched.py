"""Verification keys from a JWK set's URL, fetched in the background and served through an outage."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.errors import AuthUnavailableError, OverloadedError
from app.processes import PerProcess
from app.tokens.key_sets import KeySetError, read_key_set
from app.tokens.keys import VerificationKey
from app.upstream.exchange import Sender
from app.upstream.slots import Slots
from app.upstream.transport import TransportError, prepare

FETCH_SECONDS = 2.0
MAX_SET_BYTES = 262_144
# While fetches succeed, a key that was removed from the set verifies for no longer than this.
REFRESH_SECONDS = 300.0
# While there are keys, no two fetches start closer together than this, whatever is requested and however they end.
PAUSE_SECONDS = 30.0
# Keys that no fetch has confirmed for this long are no longer used.
MAX_AGE_SECONDS = 86_400.0
# A token that does not name its key costs at most this many verifications.
MAX_CANDIDATES = 8

_HEADERS = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
_OK = 200

logger = logging.getLogger(__name__)


class _Confirmed(NamedTuple):
    """The keys of the latest successful fetch, and when that began."""

    keys: tuple[VerificationKey, ...]
    at: float


@dataclass(slots=True)
class _Watch:
    """The state of fetching in this process; `trouble` is the problem logged last, empty while there is none."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    confirmed: _Confirmed | None = None
    failures: int = 0
    trouble: str = ""
    tried: threading.Event = field(default_factory=threading.Event)
    wanted: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)


class FetchedKeys:
    """The key set at `url`, at most REFRESH_SECONDS old, or as of the latest successful fetch while fetches fail.

    One thread per process fetches, from the first use in that process on; nothing is inherited across a fork. Only
    requests that come before the very first fetch has ended wait for it, in a slot and for at most FETCH_SECONDS:
    otherwise a worker that has just started would fail them. `clock` returns seconds, `wait` is called like
    `threading.Event.wait`.
    """

    def __init__(
        self,
        url: str,
        algorithms: Sequence[str],
        *,
        transport: Sender,
        slots: Slots,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._request = prepare("GET", url, _HEADERS)
        self._algorithms = tuple(algorithms)
        self._transport = transport
        self._slots = slots
        self._clock = clock
        self._wait = wait
        self._watch = PerProcess(_Watch)

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return at most MAX_CANDIDATES keys for the token's `alg` and, if it has one, its `kid`.

        A `kid` that is not in the set causes a fetch, at the earliest PAUSE_SECONDS after the latest one began.
        Raises AuthUnavailableError until a fetch succeeds, and while none has for MAX_AGE_SECONDS.
        """
        kid, alg = header.get("kid"), header.get("alg")
        named = [key for key in self.current() if kid in {None, key.kid}]
        if not named:
            self._watch.get().wanted.set()
        return [key for key in named if alg in key.algorithms][:MAX_CANDIDATES]

    def current(self) -> Sequence[VerificationKey]:
        """Return the keys of the latest successful fetch; raises AuthUnavailableError like `candidates`."""
        watch = self._started()
        self._await_first_fetch(watch)
        if watch.confirmed is None or not self._is_current(watch):
            raise AuthUnavailableError
        return watch.confirmed.keys

    @property
    def ready(self) -> bool:
        """Whether there are keys to verify with; starts the fetching and never waits."""
        return self._is_current(self._started())

    @property
    def stale_seconds(self) -> int | None:
        """The age of the keys if there are any and the latest fetch failed, else None."""
        watch = self._started()
        return self.age_seconds if watch.confirmed and watch.trouble else None

    @property
    def age_seconds(self) -> int:
        """Seconds since the latest successful fetch began; 0 before the first."""
        confirmed = self._started().confirmed
        return int(self._clock() - confirmed.at) if confirmed else 0

    def close(self) -> None:
        """Stop fetching in this process; waits for the fetch in progress."""
        watch = self._watch.get()
        watch.closing.set()
        watch.wanted.set()
        if watch.thread is not None:
            watch.thread.join()

    def _started(self) -> _Watch:
        watch = self._watch.get()
        # If no thread can be started right now, the next request tries again.
        with watch.lock, suppress(RuntimeError):
            if watch.thread is None:
                thread = threading.Thread(target=self._keep_fresh, args=(watch,), name="key-set", daemon=True)
                thread.start()
                watch.thread = thread
        return watch

    def _await_first_fetch(self, watch: _Watch) -> None:
        if watch.tried.is_set() or watch.thread is None:
            return
        # Without a slot there is no waiting either, so that a hanging key server leaves threads for others.
        with suppress(OverloadedError), self._slots:
            watch.tried.wait(FETCH_SECONDS)

    def _is_current(self, watch: _Watch) -> bool:
        return watch.confirmed is not None and self._clock() - watch.confirmed.at <= MAX_AGE_SECONDS

    def _keep_fresh(self, watch: _Watch) -> None:
        while not watch.closing.is_set():
            watch.wanted.clear()
            begun = self._clock()
            self._refresh(watch, begun)
            self._wait(watch.closing, begun + self._pause(watch) - self._clock())
            if not watch.trouble:
                due = begun + REFRESH_SECONDS * random.uniform(0.8, 1)  # noqa: S311 - spreads load
                self._wait(watch.wanted, due - self._clock())

    def _pause(self, watch: _Watch) -> float:
        """Return the least seconds between the starts of two fetches, fewer only while there are no keys."""
        if self._is_current(watch):
            return PAUSE_SECONDS
        return min(PAUSE_SECONDS, 2.0 ** min(watch.failures, 5)) * random.uniform(0.5, 1)  # noqa: S311 - as above

    def _refresh(self, watch: _Watch, begun: float) -> None:
        try:
            self._note_success(watch, _Confirmed(self._fetch(), begun))
        except (TransportError, KeySetError) as error:
            self._note_failure(watch, error.reason)
        except Exception as error:  # noqa: BLE001 - the thread must go on, and a fetch that raises has failed
            self._note_failure(watch, type(error).__name__)
        watch.tried.set()

    def _fetch(self) -> tuple[VerificationKey, ...]:
        answer = self._transport.send(self._request, timeout=FETCH_SECONDS)
        if answer.status_code != _OK:
            raise KeySetError("status")
        return read_key_set(answer.content, self._algorithms)

    def _note_success(self, watch: _Watch, confirmed: _Confirmed) -> None:
        first = watch.confirmed is None
        watch.confirmed = confirmed
        if first or watch.trouble:
            logger.info("keys loaded" if first else "keys back")
        watch.failures, watch.trouble = 0, ""

    def _note_failure(self, watch: _Watch, reason: str) -> None:
        watch.failures += 1
        trouble = "missing" if watch.confirmed is None else "stale" if self._is_current(watch) else "expired"
        if trouble != watch.trouble:
            logger.warning("keys %s", trouble, extra={"reason": reason})
        watch.trouble = trouble
