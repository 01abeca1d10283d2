"""Who asks, and as what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Who a verified token speaks for: `id` is opaque, and unique for its `issuer`."""

    issuer: str
    id: str


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account in one company; `id` is opaque, `company_id` in its canonical form."""

    id: str
    company_id: str
    active: bool
    roles: frozenset[str]
