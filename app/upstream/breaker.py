"""A circuit breaker: while a service cannot be connected to, requests for it fail at once."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from app.upstream.transport import NothingSentError

logger = logging.getLogger(__name__)

# How long the circuit stays open before one request may try again, in seconds.
_PAUSE = 1.0


class Breaker:
    """Counts connect failures in a row to `service`; at `threshold` it opens, and the log says so.

    Open, it refuses every attempt but one a second, until one of those has connected. What
    happens after the first byte is not counted: a slow or failing service is still there. No lock is held
    while an attempt runs.
    """

    def __init__(self, service: str, threshold: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self._threshold = threshold
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try = 0.0

    @property
    def open(self) -> bool:
        """Whether attempts are refused now, but for the one that tries."""
        return self._failures >= self._threshold

    def attempt(self) -> AbstractContextManager[None]:
        """Around one connect and exchange; raises NothingSentError("circuit_open") instead of starting it."""
        return _Attempt(self)

    def admit(self) -> None:
        """Raise NothingSentError("circuit_open") unless an attempt may start."""
        if not self.open:
            return
        with self._lock:
            if self._clock() < self._next_try:
                raise NothingSentError("circuit_open")
            # Whoever comes while this one tries is refused for another pause.
            self._next_try = self._clock() + _PAUSE

    def note(self, error: BaseException | None) -> None:
        """Tell how an attempt ended."""
        if not isinstance(error, NothingSentError):
            self._succeeded()
        # What we wrote wrongly says nothing of the service.
        elif error.reason != "malformed":
            self._failed()

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._next_try = self._clock() + _PAUSE
            just_opened = self._failures == self._threshold
        if just_opened:
            logger.warning("circuit open", extra={"service": self.service})

    def _succeeded(self) -> None:
        if not self._failures:
            return
        with self._lock:
            was_open, self._failures = self.open, 0
        if was_open:
            logger.warning("circuit closed", extra={"service": self.service})


class _Attempt(AbstractContextManager[None]):
    __slots__ = ("_breaker",)

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        self._breaker.admit()

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._breaker.note(error)
