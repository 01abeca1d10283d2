"""Verification keys from a JWK set's URL, fetched in the background and served through an outage."""

import logging
import math
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
class _State:
    """The state of fetching in this process; `trouble` is the problem logged last, empty while there is none.

    A thread that replaces one that has ended fetches at `resumes_at`, not at once.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None
    resumes_at: float = -math.inf
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
        self._state = PerProcess(_State)

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return at most MAX_CANDIDATES keys for the token's `alg` and, if it has one, its `kid`.

        A `kid` that is not in the set causes a fetch, at the earliest PAUSE_SECONDS after the latest one began.
        Raises AuthUnavailableError until a fetch succeeds, and while none has for MAX_AGE_SECONDS.
        """
        kid, alg = header.get("kid"), header.get("alg")
        named = [key for key in self.current() if kid in {None, key.kid}]
        if not named:
            self._state.get().wanted.set()
        return [key for key in named if alg in key.algorithms][:MAX_CANDIDATES]

    def current(self) -> Sequence[VerificationKey]:
        """Return the keys of the latest successful fetch; raises AuthUnavailableError like `candidates`."""
        state = self._started()
        self._await_first_fetch(state)
        if state.confirmed is None or not self._is_current(state):
            raise AuthUnavailableError
        return state.confirmed.keys

    @property
    def ready(self) -> bool:
        """Whether there are keys to verify with; starts the fetching and never waits."""
        return self._is_current(self._started())

    @property
    def stale(self) -> bool:
        """Whether there are keys and the latest fetch failed."""
        state = self._started()
        return bool(state.confirmed and state.trouble)

    @property
    def age_seconds(self) -> int:
        """Seconds since the latest successful fetch began; 0 before the first."""
        confirmed = self._started().confirmed
        return int(self._clock() - confirmed.at) if confirmed else 0

    def close(self) -> None:
        """Stop fetching in this process; waits for the fetch in progress."""
        state = self._state.get()
        state.closing.set()
        state.wanted.set()
        if state.thread is not None:
            state.thread.join()

    def _started(self) -> _State:
        state = self._state.get()
        # If no thread can be started right now, the next request tries again; also however the thread ends.
        with state.lock, suppress(RuntimeError):
            if state.thread is None or not (state.thread.is_alive() or state.closing.is_set()):
                thread = threading.Thread(target=self._keep_fresh, args=(state,), name="key-set", daemon=True)
                thread.start()
                state.thread = thread
        return state

    def _await_first_fetch(self, state: _State) -> None:
        if state.tried.is_set() or state.thread is None:
            return
        # Without a slot there is no waiting either, so that a hanging key server leaves threads for others.
        with suppress(OverloadedError), self._slots:
            state.tried.wait(FETCH_SECONDS)

    def _is_current(self, state: _State) -> bool:
        return state.confirmed is not None and self._clock() - state.confirmed.at <= MAX_AGE_SECONDS

    def _keep_fresh(self, state: _State) -> None:
        self._wait(state.closing, state.resumes_at - self._clock())
        while not state.closing.is_set():
            state.wanted.clear()
            begun = self._clock()
            state.resumes_at = begun + PAUSE_SECONDS
            self._refresh(state, begun)
            self._wait(state.closing, begun + self._pause(state) - self._clock())
            if not state.trouble:
                due = begun + REFRESH_SECONDS * random.uniform(0.8, 1)  # noqa: S311 - spreads load
                self._wait(state.wanted, due - self._clock())

    def _pause(self, state: _State) -> float:
        """Return the least seconds between the starts of two fetches, fewer only while there are no keys."""
        if self._is_current(state):
            return PAUSE_SECONDS
        return min(PAUSE_SECONDS, 2.0 ** min(state.failures, 5)) * random.uniform(0.5, 1)  # noqa: S311 - as above

    def _refresh(self, state: _State, begun: float) -> None:
        try:
            self._note_success(state, _Confirmed(self._fetch(), begun))
        except (TransportError, KeySetError) as error:
            self._note_failure(state, str(error))
        except Exception as error:  # noqa: BLE001 - the thread must go on, and a fetch that raises has failed
            self._note_failure(state, type(error).__name__)
        state.tried.set()

    def _fetch(self) -> tuple[VerificationKey, ...]:
        response = self._transport.send(self._request, timeout=FETCH_SECONDS)
        if response.status_code != _OK:
            raise KeySetError("status")
        return read_key_set(response.content, self._algorithms)

    def _note_success(self, state: _State, confirmed: _Confirmed) -> None:
        first = state.confirmed is None
        state.confirmed = confirmed
        if first or state.trouble:
            logger.info("keys loaded" if first else "keys back")
        state.failures, state.trouble = 0, ""

    def _note_failure(self, state: _State, reason: str) -> None:
        state.failures += 1
        trouble = "missing" if state.confirmed is None else "stale" if self._is_current(state) else "expired"
        if trouble != state.trouble:
            logger.warning("keys %s", trouble, extra={"reason": reason})
        state.trouble = trouble
