"""Routes that send: every response states the message's outcome, and each Idempotency-Key sends at most once."""

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from flask import Response

from app.errors import IdempotencyKeyInvalidError, SendOutcomeUnknownError, ServiceError
from app.idempotency import Attempt, digest
from app.principals import Account
from app.web.declarations import declare
from app.web.services import services
from app.web.state import RequestState, current, current_state

# The IETF draft puts the key in double quotes; most clients send it bare.
_KEY = re.compile(r'("?)([A-Za-z0-9._:-]{1,255})\1')


def sends(view: Callable[..., Response]) -> Callable[..., Response]:
    """State the message's outcome in every response of this view, once the caller is authenticated.

    An unexpected exception in the view leaves the outcome unknown: the message may be on its way. With an
    Idempotency-Key the view runs once, and retries get the first response again.
    """

    @wraps(view)
    def sending(account: Account, **arguments: Any) -> Response:  # noqa: ANN401 - the view's own
        state, send = current_state(), partial(view, account, **arguments)
        try:
            attempt = state.attempt = _attempt(state, account, arguments)
        except ServiceError as error:
            state.outcome, state.claim_error = error.outcome, error
            raise
        if attempt is None:
            return _run(state, send, repeats=False)
        if attempt.answer is not None:
            state.outcome = "sent"
            return _replay(attempt.answer)
        return _run_once(state, attempt, send)

    return declare(view, sending, "sends", sends=True)


def _attempt(state: RequestState, account: Account, arguments: dict[str, Any]) -> Attempt | None:
    """Claim the request's Idempotency-Key; None without one."""
    given, user = state.environ.get("HTTP_IDEMPOTENCY_KEY"), state.user
    if given is None:
        return None
    key = _KEY.fullmatch(given)
    if key is None:
        raise IdempotencyKeyInvalidError
    if user is None:
        raise LookupError("The guard has not verified anybody.")
    state.key = digest([user.issuer, user.id, account.company_id, current().endpoint or "", key[2]])
    return services().idempotency.claim(state.key, [account.company_id, arguments])


def _run(state: RequestState, send: Callable[[], Response], *, repeats: bool) -> Response:
    """Return the view's response; an unexpected exception leaves the outcome unknown.

    The POST decides, whatever the view makes of it: an error that is raised after a send does not mean "not sent",
    and a value that is returned without one does not mean "sent". If this `repeats` a send of unknown outcome,
    then "not sent" holds for the retry alone: the outcome stays unknown.
    """
    state.outcome = "unknown"
    try:
        response = send()
    except ServiceError as error:
        if error.outcome == "unknown" or state.correlation.posted in {"sent", "unknown"}:
            raise SendOutcomeUnknownError(reason=error.reason) from error
        if repeats:
            raise SendOutcomeUnknownError from error
        state.outcome = error.outcome
        raise
    if state.correlation.posted != "sent":
        raise RuntimeError("a view that sends returns only after its POST, and catches none of its errors")
    state.outcome = "sent"
    return response


def _run_once(state: RequestState, attempt: Attempt, send: Callable[[], Response]) -> Response:
    answer = b""
    try:
        response = _run(state, send, repeats=attempt.repeats)
        answer = response.get_data()
        return response
    finally:
        # A repeat of a sent message gets its response: without one, "unknown" at least sends it no second time.
        is_lost = state.outcome == "sent" and not answer
        services().idempotency.settle(attempt, "unknown" if is_lost else state.outcome or "unknown", answer)


def _replay(answer: bytes) -> Response:
    response = Response(answer, mimetype="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response
