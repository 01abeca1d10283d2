"""Prometheus metrics, listed in docs/operating/metrics.md.

Under gunicorn each worker keeps its values in files (prometheus_client, "Multiprocess Mode"), which
config/serving/listener.py aggregates. No label holds an id or any other value that callers can vary at will.
"""

import platform
from collections.abc import Iterable, Iterator
from itertools import product
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.errors import every_error
from app.upstream.exchange import ANSWERS
from app.upstream.transport import NoAnswerError, NothingSentError
from app.version import VERSION
from app.web.declarations import Operation
from app.web.increments import Count, Observe, counting, observing
from app.web.labels import ACCEPTED, DECIDERS, DECISIONS, KEYS, LOOKUPS, REPLAYED, Labels

# In seconds: from requests answered from memory to requests ended by a deadline.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
NONE = "none"

# By name: the help text, the labels, and how the values of several processes are combined.
_GAUGES = {
    "workers": ("Worker processes", [], "livesum"),
    "workers_ready": ("Worker processes that can verify tokens", [], "livesum"),
    "store_lost_workers": ("Worker processes that decide limits alone", [], "livesum"),
    "circuit_open_workers": ("Worker processes that have given a service up for now", ["service"], "livesum"),
    "slots": ("Places for requests that wait for other services", [], "livesum"),
    "slots_taken": ("Those of them that are taken", [], "livesum"),
    "in_flight": ("Requests under way", [], "livesum"),
    "keys_stale_workers": ("Worker processes whose key set could not be fetched again", [], "livesum"),
    "keys_age_seconds": ("Age of the oldest key set, 0 where keys are fixed", [], "livemax"),
    "build_info": ("1, and what is running", ["version", "python"], "livemax"),
}


# Reasons for a send's outcome: a word of the exchange with an upstream service, else the code of the response.
_WORDS = NothingSentError.REASONS | NoAnswerError.REASONS | ANSWERS
_SENDS = {
    *product(["sent"], [ACCEPTED, REPLAYED]),
    *product(["not_sent", "unknown"], _WORDS),
    *((error.outcome, error.code) for error in every_error()),
}


class Metrics:
    """The metrics of one application; two applications in a process share none."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"namespace": "send_message", "registry": self.registry}
        self._requests = Counter("requests", "Answers", ["method", "route", "status", "code"], **made)
        self._stages = Histogram(
            "stage_seconds", "Time that a stage took", ["route", "stage"], buckets=BUCKETS, **made
        )
        self._sends = Counter("sends", "What became of messages", ["outcome", "reason"], **made)
        self._limits = Counter("limit_decisions", "Decisions of limits", ["decision", "store"], **made)
        self._keys = Counter("idempotency", "What an Idempotency-Key was found to be", ["result"], **made)
        self._accounts = Counter("account_lookups", "How accounts were found", ["result"], **made)
        self._workers = Counter("workers_started", "Worker processes that have started", **made)
        self._gauges = {
            name: Gauge(name, what, labels, multiprocess_mode=mode, **made)  # type: ignore[arg-type] # a str, not a Literal
            for name, (what, labels, mode) in _GAUGES.items()
        }
        # Held for all the increments of a response.
        self._lock = Lock()
        self._counts: dict[Labels, Count] = {}
        self._observations: dict[tuple[str, ...], Observe] = {}

    def begin(self, operations: Iterable[Operation]) -> None:
        """Count this process as a worker, and create every expected series at zero.

        A series that does not exist before its first event hides that event from rates.
        """
        self.set("workers", 1)
        self.set("build_info", 1, VERSION, platform.python_version())
        for operation in operations:
            for status, code in _ends_of(operation):
                self._requests.labels(operation.method, operation.rule, status, code)
        for metric, series in (
            (self._sends, _SENDS),
            (self._limits, product(DECISIONS, DECIDERS)),
            (self._keys, product(KEYS)),
            (self._accounts, product(LOOKUPS)),
        ):
            for labels in series:
                metric.labels(*labels)
        self._workers.inc()

    def count(self, labels: Labels, stages: dict[str, float]) -> None:
        """Count one response and observe the seconds of its stages."""
        with self._lock:
            (self._counts.get(labels) or self._count_of(labels))()
            names = (labels.route or NONE, *stages)
            (self._observations.get(names) or self._observation_of(*names))(stages.values())

    def set(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge of this process."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def _count_of(self, labels: Labels) -> Count:
        """Make and cache the function that increments the series of these labels."""
        code = labels.code or NONE
        series = [self._requests.labels(labels.method, labels.route or NONE, str(labels.status), code)]
        if labels.outcome:
            series.append(self._sends.labels(labels.outcome, labels.reason or NONE))
        if labels.decision:
            series.append(self._limits.labels(labels.decision, labels.decider))
        if labels.lookup:
            series.append(self._accounts.labels(labels.lookup))
        if labels.key:
            series.append(self._keys.labels(labels.key))
        found = self._counts[labels] = counting(series)
        return found

    def _observation_of(self, template: str, *stages: str) -> Observe:
        """Make and cache the function that observes a route's stages, which occur in few orders."""
        series = [self._stages.labels(template, stage) for stage in stages]
        found = self._observations[(template, *stages)] = observing(series, BUCKETS)
        return found


def _ends_of(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield the status and code of every response that the operation may give."""
    yield "200", NONE
    for error in operation.errors:
        yield str(error.status), error.code
