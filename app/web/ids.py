"""Ids in paths: one spelling in, one canonical form from there on."""

import re

from app.errors import BadRequestError, InvalidCompanyIdError, InvalidConversationIdError

# uuid.UUID would forgive braces, prefixes, missing dashes and digits of other scripts.
_SPELLING = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_REFUSALS: dict[str, type[BadRequestError]] = {
    "company_id": InvalidCompanyIdError,
    "conversation_id": InvalidConversationIdError,
}


def canonical(name: str, value: str) -> str:
    """The id in lower case; raises the error of its name unless it is 8-4-4-4-12 ASCII hexadecimal digits."""
    if not _SPELLING.fullmatch(value):
        raise _REFUSALS[name]
    return value.lower()
