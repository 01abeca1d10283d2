"""Publishing the application's state from a worker, of whichever class."""

from time import monotonic
from typing import Protocol

from gunicorn.workers.base import Worker  # type: ignore[import-untyped]


class Monitor(Protocol):
    """The application's view of its own state."""

    def publish(self) -> None:
        """Publish the current state; called about once a second."""

    def drain(self) -> None:
        """Report from now on that no more requests should be sent."""


class Publisher:
    """Replaces `notify` of a worker, which its loop calls: once a second, it does that, and publishes the state.

    Without the state, METRICS_BIND would say that no worker is running.
    """

    def __init__(self, worker: Worker, monitor: Monitor | None) -> None:
        self._notify = worker.notify
        self._monitor = monitor
        self._next = 0.0

    def __call__(self) -> None:
        """Show the master that the worker is alive, and publish the state, if a second has passed."""
        now = monotonic()
        if now < self._next:
            return
        self._next = now + 1.0
        self._notify()
        if self._monitor is not None:
            self._monitor.publish()
