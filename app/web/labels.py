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
)
from app.web.state import RequestState

ACCEPTED, REPLAYED = "accepted", "replayed"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ENDS_OF_KEYS: dict[type, str] = {
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


class Labels(NamedTuple):
    """Labels of a response, with few enough combinations to be a cache key. None: the request ended earlier."""

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


def labels_of(request: Request, state: RequestState, status: int) -> Labels:
    """Summarize a request that was answered with this status."""
    error, decision, rule = state.error, state.decision, request.url_rule
    return Labels(
        request.method if request.method in _METHODS else "other",
        rule.rule if rule else None,
        status,
        error.code if error else None,
        state.outcome,
        _reason(state),
        ("admitted" if decision.admitted else "refused") if decision else None,
        ("shared" if decision.shared else "local") if decision else None,
        _lookup(state),
        _key(state) if state.attempt or state.claim_error else None,
    )


def _reason(state: RequestState) -> str | None:
    """Return the reason for the response; None for a success on a route that sends nothing."""
    if state.error:
        return state.error.reason
    if state.outcome is None:
        return None
    return REPLAYED if state.is_replayed else ACCEPTED


def _lookup(state: RequestState) -> str | None:
    """Return whether this request asked the account service, reused an earlier answer, or failed to get one."""
    if isinstance(state.error, AccountServiceUnavailableError):
        return "failed"
    found = state.correlation.exchanges.get("account")
    return None if found is None else "asked" if found.attempts else "remembered"


def _key(state: RequestState) -> str | None:
    """Return how the Idempotency-Key was classified; None if its claim failed for another reason."""
    if state.attempt:
        return REPLAYED if state.is_replayed else "new"
    return _ENDS_OF_KEYS.get(type(state.claim_error))
