"""A circuit breaker: while connecting to a service fails, requests to it fail at once."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from app.upstream.transport import NothingSentError

logger = logging.getLogger(__name__)

# How long the circuit stays open before one request may try again, in seconds.
_PAUSE = 1.0


class Breaker(AbstractContextManager[None]):
    """Counts consecutive failures to connect to `service`; at `threshold` it opens, and logs it.

    `with breaker:` wraps one connect and exchange. While open, it raises NothingSentError("circuit_open") instead
    of starting one, except for one attempt a second. It closes when such an attempt ends in anything but a failure
    to connect: a slow or failing service is still there. No lock is held during an attempt.
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
        """Whether attempts are refused now, except for one a second."""
        return self._failures >= self._threshold

    def __enter__(self) -> None:
        if not self.open:
            return
        with self._lock:
            if self._clock() < self._next_try:
                raise NothingSentError("circuit_open")
            # Attempts during this one are refused for another pause.
            self._next_try = self._clock() + _PAUSE

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, NothingSentError):
            self._succeeded()
        # A malformed request of ours says nothing about the service.
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
