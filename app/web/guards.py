"""Authentication and authorization of company-scoped routes."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from app.errors import AuthUnavailableError, IncompleteError, InvalidParamsError, UnauthorizedError
from app.principals import User
from app.tokens.verifier import TokenVerifier
from app.web.bodies import json_body
from app.web.declarations import DeclarationError, Place, declaration_of, declare
from app.web.ids import canonical
from app.web.services import services
from app.web.state import RequestState, Stage, current, current_state

# RFC 6750 section 2.1; the scheme is case-insensitive (RFC 9110 section 11.1).
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def company_scoped(
    *, role: str, company_in: Place = "url", limit: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Admit only users with an active account that has this role in the company of the request.

    Checks in this order: the token, the limit, the company id, the other ids in the path, the account. The
    company id comes from the path or the JSON body. The view gets the Account instead of it, and the other ids in
    canonical form. `limit`, such as "100 per hour", replaces RATE_LIMIT; every operation has its own windows.
    Raises DeclarationError.
    """
    if company_in not in {"url", "body"}:
        raise DeclarationError('@company_scoped finds the company with company_in="url" or company_in="body".')

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        declaration = declaration_of(view)

        @wraps(view)
        def guarded(**ids: str) -> Any:  # noqa: ANN401 - the view's own
            state, deps = current_state(), services()
            with Stage(state.stages, "auth"):
                state.user = user = _authenticate(state, deps.tokens, sends=declaration.sends)
            state.outcome = "not_sent" if declaration.sends else None
            with Stage(state.stages, "limit"):
                deps.limits.charge(state, user, current().endpoint or "", limit)
            try:
                company_id, others = _canonical(ids, company_in)
                nouns = {name.removesuffix("_id"): value for name, value in others.items()}
                state.ids = {"company": company_id, **nouns}
                with Stage(state.stages, "account"):
                    account = deps.accounts.find(user, company_id, role, state.correlation)
                return view(account, **others)
            except IncompleteError as error:
                if error.sentence == type(error).sentence:
                    error.sentence = declaration.refusal
                raise

        return declare(view, guarded, "company_scoped", role=role, company_in=company_in, limit=limit)

    return decorate


def _canonical(ids: dict[str, str], company_in: Place) -> tuple[str, dict[str, str]]:
    """Return the company id, and the other ids of the path by their names; raises BadRequestError."""
    given = ids.pop("company_id") if company_in == "url" else _company_in_body()
    company_id = canonical("company_id", given)
    return company_id, {name: canonical(name, value) for name, value in ids.items()}


def _company_in_body() -> object:
    document = json_body()
    if not (isinstance(document, dict) and "company_id" in document):
        raise InvalidParamsError
    return document["company_id"]


def _authenticate(state: RequestState, tokens: TokenVerifier, *, sends: bool) -> User:
    """Return the user of the bearer token; raises UnauthorizedError or AuthUnavailableError."""
    header = state.environ.get("HTTP_AUTHORIZATION", "")
    bearer = _BEARER.fullmatch(header)
    if bearer is None:
        raise UnauthorizedError(presented=header.rstrip()[:7].lower() == "bearer ")
    try:
        return tokens.verify(bearer[1])
    except AuthUnavailableError as error:
        state.outcome = error.outcome if sends else None
        raise
