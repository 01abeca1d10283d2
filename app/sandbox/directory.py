"""Who and what exists in the sandbox, under fixed ids that documentation and tests may name."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """A person's one account."""

    account_id: str
    company_id: str
    person: str
    active: bool = True
    role: str = "conversations"

    def on_the_wire(self) -> dict[str, Any]:
        """The account as the account service tells it."""
        names = {"account_id": self.account_id, "company_id": self.company_id, "access_level": "member"}
        return {**names, "active": self.active, "roles": [self.role]}


COMPANY = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
OTHER_COMPANY = "c3d4e5f6-a7b8-9012-cdef-123456789012"

CONVERSATIONS = {
    "b2c3d4e5-f6a7-8901-bcde-f12345678901": COMPANY,
    "b2c3d4e5-f6a7-8901-bcde-f12345678902": COMPANY,
    "d4e5f6a7-b8c9-0123-def1-234567890124": OTHER_COMPANY,
}

ACCOUNTS = {
    "jane": SandboxAccount("d4e5f6a7-b8c9-0123-def1-234567890123", COMPANY, "Jane Doe"),
    "bob": SandboxAccount("e5f6a7b8-c9d0-1234-ef12-345678901234", OTHER_COMPANY, "Bob of another company"),
    "iris": SandboxAccount("f6a7b8c9-d0e1-2345-f123-456789012345", COMPANY, "Iris Inactive", active=False),
    "nora": SandboxAccount("a7b8c9d0-e1f2-3456-0123-567890123456", COMPANY, "Nora No-Role", role="contacts"),
}
BROKEN_USERS = frozenset({"erin"})
"""Users for whom the account service answers 500."""

USERS = (*ACCOUNTS, *BROKEN_USERS)


def home_of(user: str) -> tuple[str, str]:
    """Where a user writes when nothing else is said: the company and its first conversation."""
    company = ACCOUNTS.get(user, ACCOUNTS["jane"]).company_id
    return company, next(id_ for id_, owner in CONVERSATIONS.items() if owner == company)
