"""A summary of each response in a closed vocabulary, shared by the log and the metrics."""

from typing import NamedTuple

from flask import Request

from app.errors import (
    AccountServiceUnavailableError,
    IdempotencyInProgressError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    IdempotencyUnavailableError,
    Outcome,
    SendOutcomeUnknownError,
    ServiceError,
)
from app.web.state import RequestState

ACCEPTED, REPLAYED = "accepted", "replayed"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDS_OF_KEYS: dict[type[ServiceError], str] = {
    IdempotencyKeyInvalidError: "invalid",
    IdempotencyKeyReusedError: "reused",
    IdempotencyInProgressError: "in_progress",
    IdempotencyUnavailableError: "unavailable",
    SendOutcomeUnknownError: "unknown",
}
# All values of `lookup`, `key`, `decision` and `decider`.
LOOKUPS = ("asked", "remembered", "failed")
KEYS = ("new", REPLAYED, *_ENDS_OF_KEYS.values())
DECISIONS, DECIDERS = ("refused", "admitted"), ("local", "shared")


class Facts(NamedTuple):
    """Facts about a response, with few enough combinations to be a cache key. None: the request ended earlier."""

    method: str
    route: str | None
    status: int
    code: str | None
    outcome: Outcome | None
    reason: str | None
    decision: str | None
    decider: str | None
    lookup: str | None
    key: str | None


def facts_of(request: Request, known: RequestState, status: int) -> Facts:
    """Summarize a request that was answered with this status."""
    error, decision, rule = known.error, known.decision, request.url_rule
    return Facts(
        request.method if request.method in _METHODS else "other",
        rule.rule if rule else None,
        status,
        error.code if error else None,
        known.outcome,
        _reason(known),
        ("admitted" if decision.admitted else "refused") if decision else None,
        ("shared" if decision.shared else "local") if decision else None,
        _lookup(known),
        _key(known),
    )


def _reason(known: RequestState) -> str | None:
    """Return the reason for the response; None for a success on a route that sends nothing."""
    if known.error:
        return known.error.reason
    if known.outcome is None:
        return None
    return REPLAYED if known.is_replayed else ACCEPTED


def _lookup(known: RequestState) -> str | None:
    """Return whether this request asked the account service, reused an earlier answer, or failed to get one."""
    if isinstance(known.error, AccountServiceUnavailableError):
        return "failed"
    found = known.exchanges.get("account")
    return None if found is None else "asked" if found.attempts else "remembered"


def _key(known: RequestState) -> str | None:
    """Return how the Idempotency-Key was classified; None also for requests without one."""
    if known.attempt:
        return REPLAYED if known.is_replayed else "new"
    return _ENDS_OF_KEYS.get(type(known.claim_error)) if known.claim_error else None
