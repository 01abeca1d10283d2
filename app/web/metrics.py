"""What is counted, for Prometheus: docs/operating/metrics.md has it as a table.

Under gunicorn the values of all workers lie in files (prometheus_client, "Multiprocess Mode"), which
config/listener.py adds up. No label has ids, or anything else of which a caller can make up more.
"""

import platform
from collections.abc import Iterable, Iterator
from itertools import product
from threading import Lock
from typing import Any, Literal

from flask import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.errors import (
    AccountServiceUnavailableError,
    IdempotencyInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    IdempotencyUnavailableError,
    SendOutcomeUnknownError,
    ServiceError,
    every_error,
)
from app.upstream.exchange import ANSWERS
from app.upstream.transport import NoAnswerError, NothingSentError
from app.version import VERSION
from app.web.cells import Add, adder, observer
from app.web.operations import Operation
from app.web.state import RequestState

# From what memory answers to what a deadline ends, in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
NONE = "none"
ACCEPTED, REPLAYED = "accepted", "replayed"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDS_OF_KEYS: dict[type[ServiceError], str] = {
    IdempotencyKeyInvalidError: "invalid",
    IdempotencyKeyReusedError: "reused",
    IdempotencyInProgressError: "in_progress",
    IdempotencyUnavailableError: "unavailable",
    SendOutcomeUnknownError: "unknown",
}


# How something stands in a process: what it is, its labels, and what becomes of those of several processes.
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


# Why a message may end as it does: words of the exchange with a service behind, else the code of the answer.
_WORDS = NothingSentError.REASONS | NoAnswerError.REASONS | ANSWERS
_SENDS = {
    *product(["sent"], [ACCEPTED, REPLAYED]),
    *product(["not_sent", "unknown"], _WORDS),
    *((error.outcome, error.code) for error in every_error()),
}

# Method, route, status, code, outcome, reason, decision (admitted, shared), and what look-up and key ended as.
_Facts = tuple[str, str, int, str, str | None, str, tuple[bool, bool] | None, str | None, str | None]


class Metrics:
    """The metrics of one application; two in a process share none."""

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
            name: Gauge(name, what, labels, multiprocess_mode=mode, **made)  # type: ignore[arg-type] # of text
            for name, (what, labels, mode) in _GAUGES.items()
        }
        # Around all that an answer adds.
        self._lock = Lock()
        self._adders: dict[_Facts, list[Add]] = {}
        self._observers: dict[tuple[str, ...], list[Add]] = {}

    def begin(self, operations: Iterable[Operation]) -> None:
        """Count this process among the workers, and begin at zero whatever may come.

        A series that is not there before its first event hides it from rates.
        """
        self.set("workers", 1)
        self.set("build_info", 1, VERSION, platform.python_version())
        for operation in operations:
            for status, code in _ends_of(operation):
                self._requests.labels(operation.method, operation.rule, status, code)
        for metric, series in (
            (self._sends, _SENDS),
            (self._limits, product(("admitted", "refused"), ("shared", "local"))),
            (self._keys, product(("new", REPLAYED, *_ENDS_OF_KEYS.values()))),
            (self._accounts, product(("asked", "remembered", "failed"))),
        ):
            for labels in series:
                metric.labels(*labels)
        self._workers.inc()

    def count(self, method: str, route: str | None, known: RequestState, response: Response) -> None:
        """Count one answer and all that led to it."""
        template, decision = route or NONE, known.decision
        facts = (
            method if method in _METHODS else "other",
            template,
            response.status_code,
            known.error.code if known.error else NONE,
            known.outcome,
            reason_of(known) or NONE,
            None if decision is None else (decision.admitted, decision.shared),
            _end_of_lookup(known),
            _end_of_key(known),
        )
        with self._lock:
            for add in self._adders.get(facts) or self._adders_of(facts):
                add(1)
            stages = (template, *known.stages)
            observers = self._observers.get(stages) or self._observers_of(*stages)
            for observe, seconds in zip(observers, known.stages.values(), strict=True):
                observe(seconds)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Tell how something stands in this process now."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def _adders_of(self, facts: _Facts) -> list[Add]:
        """What adds to the series of these facts, found again by all of them at once."""
        method, template, status, code, outcome, reason, decision, lookup, key = facts
        series = [self._requests.labels(method, template, str(status), code)]
        if outcome:
            series.append(self._sends.labels(outcome, reason))
        if decision:
            admitted, shared = decision
            words = "admitted" if admitted else "refused", "shared" if shared else "local"
            series.append(self._limits.labels(*words))
        if lookup:
            series.append(self._accounts.labels(lookup))
        if key:
            series.append(self._keys.labels(key))
        found = self._adders[facts] = [adder(counter) for counter in series]
        return found

    def _observers_of(self, template: str, *stages: str) -> list[Add]:
        """What adds to the series of a route's stages, which come in few orders."""
        series = [self._stages.labels(template, stage) for stage in stages]
        found = self._observers[(template, *stages)] = [observer(histogram, BUCKETS) for histogram in series]
        return found


def _ends_of(operation: Operation) -> Iterator[tuple[str, str]]:
    """The status and code of every answer that the operation may give."""
    yield "200", NONE
    for error in every_error():
        if operation.said.sends or not error.of_sends:
            yield str(error.status), error.code


def reason_of(known: RequestState) -> str | None:
    """Why the answer is what it is; None of a good one where nothing was to be sent."""
    if known.error:
        return known.error.reason
    if known.outcome is None:
        return None
    return REPLAYED if known.is_replayed else ACCEPTED


def account_of(known: RequestState) -> Literal["asked", "remembered"] | None:
    """Whether the account service was asked for this request, or by an earlier one; None if it came not so far."""
    found = known.exchanged.get("account")
    return None if found is None else "asked" if found.attempts else "remembered"


def _end_of_lookup(known: RequestState) -> str | None:
    return "failed" if isinstance(known.error, AccountServiceUnavailableError) else account_of(known)


def _end_of_key(known: RequestState) -> str | None:
    """What a key was found to be; None for requests without one, or that did not come so far."""
    if known.attempt:
        return REPLAYED if known.is_replayed else "new"
    # Without an attempt a message of unknown outcome is that of an earlier request, as long as nothing was sent.
    if "chat" in known.exchanged:
        return None
    return _ENDS_OF_KEYS.get(type(known.error)) if known.error else None
