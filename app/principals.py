"""Who asks, and as what."""

import hashlib
from dataclasses import dataclass, field

# Caches keep nothing of a user whose id is longer: 20,000 of the longest would take 500 MB.
LONGEST_REMEMBERED_ID = 255


@dataclass(frozen=True, slots=True)
class User:
    """Who a verified token speaks for: `id` is opaque, and unique for its `issuer`.

    `digest` is a name of fixed length that does not say who it is, for keys of stores and for logs.
    """

    issuer: str
    id: str
    digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = hashlib.blake2b(f"{self.issuer}\0{self.id}".encode(), digest_size=16).hexdigest()
        object.__setattr__(self, "digest", name)


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account in one company; `id` is opaque, `company_id` in its canonical form."""

    id: str
    company_id: str
    active: bool
    roles: frozenset[str]
