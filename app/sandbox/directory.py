"""The users, companies and conversations of the sandbox, with fixed ids for documentation and tests."""

from typing import Any

COMPANY = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
OTHER_COMPANY = "c3d4e5f6-a7b8-9012-cdef-123456789012"

CONVERSATIONS = {
    "b2c3d4e5-f6a7-8901-bcde-f12345678901": COMPANY,
    "b2c3d4e5-f6a7-8901-bcde-f12345678902": COMPANY,
    "d4e5f6a7-b8c9-0123-def1-234567890124": OTHER_COMPANY,
}

CONTACTS = dict(zip(CONVERSATIONS, ("Maria Alvarez", "Tom Becker", "Priya Natarajan"), strict=True))
"""The contact of each conversation."""


def _account(
    account_id: str, company_id: str, *, active: bool = True, role: str = "conversations"
) -> dict[str, Any]:
    names = {"account_id": account_id, "company_id": company_id, "access_level": "member"}
    return {**names, "active": active, "roles": [role]}


ACCOUNTS = {
    "jane": _account("d4e5f6a7-b8c9-0123-def1-234567890123", COMPANY),
    "rita": _account("b8c9d0e1-f2a3-4567-1234-678901234567", COMPANY),
    "bob": _account("e5f6a7b8-c9d0-1234-ef12-345678901234", OTHER_COMPANY),
    "iris": _account("f6a7b8c9-d0e1-2345-f123-456789012345", COMPANY, active=False),
    "nora": _account("a7b8c9d0-e1f2-3456-0123-567890123456", COMPANY, role="contacts"),
}
"""Each user's only account, as the account service returns it."""

NAMES = {"jane": "Jane Doe", "rita": "Rita Rehearsal", "bob": "Bob of another company"}
"""Display names of the users who may send."""

BROKEN_USER = "erin"
"""The account service answers 500 for this user."""

USERS = (*ACCOUNTS, BROKEN_USER)


def home_of(user: str) -> tuple[str, str]:
    """Return the user's default company and its first conversation."""
    company = ACCOUNTS.get(user, ACCOUNTS["jane"])["company_id"]
    return company, next(id_ for id_, owner in CONVERSATIONS.items() if owner == company)
