"""The caller: a verified user and the account it acts as."""

import hashlib
from dataclasses import dataclass, field

# Users with longer ids are not cached: 20,000 of the longest would take 500 MB.
LONGEST_REMEMBERED_ID = 255


@dataclass(frozen=True, slots=True)
class User:
    """The user that a verified token identifies; `id` is opaque and unique per `issuer`.

    `digest` is a fixed-length pseudonym for store keys and logs.
    """

    issuer: str
    id: str
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = hashlib.blake2b(f"{self.issuer}\0{self.id}".encode(), digest_size=16).hexdigest()
        object.__setattr__(self, "digest", name)


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account in one company; `id` is opaque, `company_id` is in canonical form."""

    id: str
    company_id: str
    active: bool
    roles: frozenset[str]
