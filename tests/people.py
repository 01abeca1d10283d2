"""The people that tests speak of, and their tokens."""

import time
from typing import Any

import jwt

ACME = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
GLOBEX = "0b0e0000-0000-4000-8000-00000000000b"
NOWHERE = "ffffffff-ffff-4fff-8fff-ffffffffffff"
CONVERSATION = "b2c3d4e5-f6a7-8901-bcde-f12345678901"

ISSUER = "https://auth.example"
AUDIENCE = "send-message"
SECRET = "a secret of the tests, longer than 32 bytes"


def account(company_id: str, **changes: Any) -> dict[str, Any]:
    """An entry of the account service's answer."""
    entry = {"account_id": f"account-{company_id[:4]}", "company_id": company_id, "active": True}
    return {**entry, "roles": ["conversations"], "access_level": "member", **changes}


MEMBERS: dict[str, list[dict[str, Any]]] = {
    "a-member": [account(ACME)],
    "one-of-another-company": [account(GLOBEX)],
    "one-made-inactive": [account(ACME, active=False)],
    "one-without-the-role": [account(ACME, roles=["contacts"])],
    "one-without-accounts": [],
}


def claims(user: str = "a-member", **changes: Any) -> dict[str, Any]:
    """The claims of a good token; a change to None leaves the claim out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time()) + 3600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(user: str = "a-member", **changes: Any) -> str:
    """A token of the tests' key."""
    return jwt.encode(claims(user, **changes), SECRET, algorithm="HS256")


def bearer(user: str = "a-member", **changes: Any) -> dict[str, str]:
    """The header that a request of this user has."""
    return {"Authorization": f"Bearer {token(user, **changes)}"}
