"""Rate limits per user: Flask-Limiter with one atomic store call per request.

Our own Flask-Limiter strategy asks the store and keeps the whole decision in the request's state, so that the
headers match the decision and nothing reads the store again. The guard calls the strategy directly:
Flask-Limiter's own decorator costs some 200 µs per request.
"""

from functools import cache
from typing import Any

from flask import Flask
from flask_limiter import Limiter
from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import STRATEGIES, RateLimiter

from app.errors import RateLimitExceededError
from app.principals import User
from app.stores import Store
from app.web.state import RequestState, current_state

_STRATEGY = "one-call"


def _unused(*_: Any, **__: Any) -> Any:  # noqa: ANN401 - stands for functions of nine signatures
    """The guard names who pays, every limit is charged at once, and the headers are set from the decision."""
    raise NotImplementedError


class _StoreHandle(Storage):
    """Carries our store through Flask-Limiter, which creates storages from a URL and options."""

    STORAGE_SCHEME = ["send-message"]  # noqa: RUF012 - as limits declares it
    base_exceptions = ()
    incr = get = get_expiry = check = reset = clear = _unused

    def __init__(self, uri: str, *, store: Store) -> None:
        super().__init__(uri)
        self.store = store


class _OneCall(RateLimiter):
    """A moving window, decided by a single store call."""

    storage: _StoreHandle
    test = get_window_stats = _unused

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:  # noqa: ARG002 - always one
        """Charge the request and record the decision in its state."""
        # `limits` would add the limit to the key; without it, earlier admissions count when the limit changes.
        key = "/".join((item.namespace, *identifiers))
        decision = self.storage.store.hit(key, item.amount, item.get_expiry())
        current_state().decision = decision
        return decision.admitted


class Limits:
    """The rate limits of an application, counted per user and operation."""

    def __init__(self, app: Flask, store: Store, limit: str) -> None:
        STRATEGIES[_STRATEGY] = _OneCall  # type: ignore[assignment] # limits declares only its own strategies
        self._limiter = Limiter(
            _unused,
            strategy=_STRATEGY,
            storage_uri="send-message://",
            storage_options={"store": store},  # type: ignore[dict-item] # passed to _StoreHandle unchanged
            headers_enabled=False,
        )
        # Registered already, the limiter adds no hooks, which would look for limits around every request.
        app.extensions.setdefault("limiter", set()).add(self._limiter)
        self._limiter.init_app(app)
        self._limit = limit

    def charge(self, state: RequestState, user: User, operation: str, limit: str | None) -> None:
        """Charge the verified user once for this operation, by `limit` or else by the default limit.

        Raises RateLimitExceededError.
        """
        # Arguments in the same order as in Flask-Limiter's own decorator.
        if not self._limiter.limiter.hit(_item(limit or self._limit), user.digest, operation):
            raise RateLimitExceededError(retry_after=state.decision.retry_after if state.decision else None)


@cache
def _item(limit: str) -> RateLimitItem:
    return parse(limit)
