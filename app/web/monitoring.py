"""Request logging, metrics, and the gauges of the process."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from app.web import logs
from app.web.declarations import Operation
from app.web.labels import Labels, labels_of
from app.web.logs import Write
from app.web.metrics import Metrics
from app.web.state import STATE, RequestState, current

logger = logging.getLogger(__name__)

Gauges = Callable[[], dict[tuple[str, ...], float]]


@dataclass(slots=True)
class Monitor:
    """Observes every request of an application; `gauges` returns current values by (name, *labels), `write` logs.

    `draining` means that this process accepts no more requests.
    """

    metrics: Metrics
    gauges: Gauges
    write: Write
    operations: Sequence[Operation] = ()
    draining: bool = False
    _under_way: set[int] = field(default_factory=set)
    _has_begun: bool = False

    def begin(self, environ: dict[str, Any]) -> None:
        """Create the state of a request that has arrived."""
        environ[STATE] = RequestState(environ)
        self._under_way.add(id(environ))

    def end(self, environ: dict[str, Any]) -> None:
        """Drop the state of a finished request.

        State and environment refer to each other: the cycle would keep them, the body and all else that the
        request created in memory until the garbage collector runs.
        """
        self._under_way.discard(id(environ))
        environ.pop(STATE, None)

    def publish(self) -> None:
        """Publish the gauges of this process. Call once a second, from one thread. Raises nothing."""
        try:
            if not self._has_begun:
                self.metrics.begin(self.operations)
                self._has_begun = True
            self.metrics.set("in_flight", len(self._under_way))
            for (name, *labels), value in self.gauges().items():
                self.metrics.set(name, value, *labels)
        except Exception as error:  # noqa: BLE001 - an exception would end the worker
            _tell("gauges not published", error)

    def drain(self) -> None:
        """Report from now on that no requests should be sent here."""
        self.draining = True

    def note(self, response: Response) -> Response:
        """Log and count a response; a failure to do so leaves the response unchanged."""
        try:
            request = current()
            state: RequestState = request.environ[STATE]
            if exchanged := state.correlation.exchanges.get("chat"):
                state.stages["upstream"] = exchanged.seconds
            state.stages["total"] = time.monotonic() - state.started
            labels = labels_of(request, state, response.status_code)
            self._count(labels, state)
            logs.log(self.write, labels, request, state, response)
        except Exception as error:  # noqa: BLE001 - a sent message is never turned into an error
            _tell("answer not noted", error)
        return response

    def _count(self, labels: Labels, state: RequestState) -> None:
        # Failures are isolated: metrics still count when the log cannot be written, and the log still records a
        # message's outcome when metrics fail.
        try:
            self.metrics.count(labels, state.stages)
        except Exception as error:  # noqa: BLE001 - as above
            _tell("answer not counted", error)


def _tell(event: str, error: Exception) -> None:
    logger.error(event, extra={"exception": type(error).__name__})
