"""Routes that send: what became of the message is told in every answer, and a key is sent under once."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response

from app.errors import IdempotencyKeyInvalidError, SendOutcomeUnknownError, ServiceError
from app.idempotency import Attempt, digest
from app.principals import Account
from app.web.declarations import declare
from app.web.services import services
from app.web.state import current, state, verified_user

# The draft of the IETF has the key in double quotes, most clients send it bare.
_KEY = re.compile(r'("?)([A-Za-z0-9._:-]{1,255})\1')


def sends(view: Callable[..., Response]) -> Callable[..., Response]:
    """Tell in every answer of this view, from authentication on, what became of the message.

    Whatever the view raises unforeseen leaves the outcome unknown: the message may be on its way. With an
    Idempotency-Key the view runs once, and its answer is given again to whoever repeats the request.
    """

    @wraps(view)
    def sending(account: Account, **arguments: Any) -> Response:  # noqa: ANN401 - the view's own
        try:
            attempt = _attempt(account, arguments)
        except ServiceError as error:
            known = state()
            known.outcome, known.claim_error = error.outcome, error
            raise
        if attempt is None:
            return _run(view, account, arguments, repeats=False)
        state().attempt = attempt
        if attempt.answer is not None:
            return _replay(attempt.answer)
        return _run_once(attempt, view, account, arguments)

    return declare(view, sending, "sends", sends=True)


def _attempt(account: Account, arguments: dict[str, Any]) -> Attempt | None:
    """The claim of the request's key; None without one."""
    given = current().environ.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        return None
    key = _KEY.fullmatch(given)
    if key is None:
        raise IdempotencyKeyInvalidError
    user, known = verified_user(), state()
    known.key = digest([user.issuer, user.id, account.company_id, current().endpoint or "", key[2]])
    return services().idempotency.claim(known.key, [account.company_id, arguments])


def _run(view: Callable[..., Response], account: Account, arguments: dict[str, Any], *, repeats: bool) -> Response:
    """The view's answer; whatever it raises unforeseen leaves the outcome unknown.

    Where it `repeats` a send of unknown outcome, that this one was not sent says nothing of the first.
    """
    known = state()
    known.outcome = "unknown"
    try:
        response = view(account, **arguments)
    except SendOutcomeUnknownError:
        raise
    except ServiceError as error:
        if error.outcome == "unknown":
            raise SendOutcomeUnknownError(reason=error.reason) from error
        if repeats:
            raise SendOutcomeUnknownError from error
        known.outcome = error.outcome
        raise
    known.outcome = "sent"
    return response


def _run_once(
    attempt: Attempt, view: Callable[..., Response], account: Account, arguments: dict[str, Any]
) -> Response:
    answer = b""
    try:
        response = _run(view, account, arguments, repeats=attempt.repeats)
        answer = response.get_data()
        return response
    finally:
        services().idempotency.settle(attempt, state().outcome or "unknown", answer)


def _replay(answer: bytes) -> Response:
    state().outcome = "sent"
    response = Response(answer, mimetype="application/json")
    response.headers["Idempotent-Replayed"] = "true"
    return response
