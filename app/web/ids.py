"""Validation of ids and their conversion to one canonical form."""

import re

from app.errors import BadRequestError, InvalidCompanyIdError, InvalidConversationIdError, InvalidIdError

# uuid.UUID would accept braces, prefixes, missing hyphens and digits of other scripts.
_SPELLING = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_REFUSALS: dict[str, type[BadRequestError]] = {
    "company_id": InvalidCompanyIdError,
    "conversation_id": InvalidConversationIdError,
}


def canonical(name: str, value: object) -> str:
    """Return the id in lower case; raises `refusal_of(name)` unless it is 8-4-4-4-12 ASCII hexadecimal digits."""
    if not (isinstance(value, str) and _SPELLING.fullmatch(value)):
        raise refusal_of(name)
    return value.lower()


def refusal_of(name: str) -> BadRequestError:
    """Return the error for a malformed id of this name."""
    kind = _REFUSALS.get(name)
    return kind() if kind else InvalidIdError(f"Invalid {noun(name)} ID")


def noun(name: str) -> str:
    """Return the noun in the name of an id: `contact` for `contact_id`."""
    return name.removesuffix("_id").replace("_", " ")
