"""Who may pass: the guard of company-scoped routes."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request

from app.errors import AuthUnavailableError, UnauthorizedError
from app.principals import User
from app.web.ids import canonical
from app.web.services import services
from app.web.state import state

# RFC 6750 section 2.1; the scheme is case-insensitive (RFC 9110 section 11.1).
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def company_scoped(*, role: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a view be reached only by a user with an active account, and this role, in the company of the path.

    In this order: the token, the limit, the ids of the path, the account. The view gets the Account instead of
    the company id, and the other ids of its path in their canonical form.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(**ids: str) -> Any:  # noqa: ANN401 - the view's own
            known = state()
            known.user = user = _authenticate()
            known.outcome = "not_sent" if getattr(view, "sends", False) else None
            services().limits.charge()
            company_id = canonical("company_id", ids.pop("company_id"))
            others = {name: canonical(name, value) for name, value in ids.items()}
            account = services().accounts.find(user, company_id, role, known.correlation)
            return view(account, **others)

        return guarded

    return decorate


def _authenticate() -> User:
    """The user of the request's bearer token; raises UnauthorizedError or AuthUnavailableError."""
    header = request.headers.get("Authorization", "")
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise UnauthorizedError(presented=header[:7].lower() == "bearer " and header[7:].strip() != "")
    try:
        return services().tokens.verify(bearer[1])
    except AuthUnavailableError as error:
        state().outcome = error.outcome
        raise
