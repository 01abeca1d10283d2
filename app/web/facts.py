"""What an answer was, in a closed vocabulary that log and metrics share."""

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
# What a look-up of accounts, a key and a decision (first of the limit, then of who made it) may be found to be.
LOOKUPS = ("asked", "remembered", "failed")
KEYS = ("new", REPLAYED, *_ENDS_OF_KEYS.values())
DECISIONS, DECIDERS = ("refused", "admitted"), ("local", "shared")


class Facts(NamedTuple):
    """So few combinations occur that they are the key of a cache. None: the request did not get that far."""

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
    """What became of a request that was answered with this status."""
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
    """Why the answer is what it is; None of a good one where nothing was to be sent."""
    if known.error:
        return known.error.reason
    if known.outcome is None:
        return None
    return REPLAYED if known.is_replayed else ACCEPTED


def _lookup(known: RequestState) -> str | None:
    """Whether the account service was asked for this request, or by an earlier one."""
    if isinstance(known.error, AccountServiceUnavailableError):
        return "failed"
    found = known.exchanges.get("account")
    return None if found is None else "asked" if found.attempts else "remembered"


def _key(known: RequestState) -> str | None:
    """What a key was found to be; None also for requests without one."""
    if known.attempt:
        return REPLAYED if known.is_replayed else "new"
    return _ENDS_OF_KEYS.get(type(known.claim_error)) if known.claim_error else None
