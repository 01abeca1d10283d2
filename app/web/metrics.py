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
        self._adders: dict[tuple[Any, ...], Add] = {}
        self._observers: dict[tuple[str, str], Add] = {}

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
        template, method = route or NONE, method if method in _METHODS else "other"
        with self._lock:
            self._add(
                self._requests,
                method,
                template,
                str(response.status_code),
                known.error.code if known.error else NONE,
            )
            if known.outcome:
                self._add(self._sends, known.outcome, reason_of(known) or NONE)
            if decision := known.decision:
                store = "shared" if decision.shared else "local"
                self._add(self._limits, "admitted" if decision.admitted else "refused", store)
            if end := _end_of_lookup(known):
                self._add(self._accounts, end)
            if end := _end_of_key(known):
                self._add(self._keys, end)
            for stage, seconds in known.stages.items():
                (self._observers.get((template, stage)) or self._observer(template, stage))(seconds)

    def set(self, name: str, value: float, *labels: str) -> None:
        """Tell how something stands in this process now."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def _add(self, counter: Counter, *labels: str) -> None:
        """Add one to this series, found again at a fraction of what `labels` takes."""
        add = self._adders.get((counter, *labels))
        if add is None:
            add = self._adders[(counter, *labels)] = adder(counter.labels(*labels))
        add(1)

    def _observer(self, route: str, stage: str) -> Add:
        found = self._observers[(route, stage)] = observer(self._stages.labels(route, stage), BUCKETS)
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
