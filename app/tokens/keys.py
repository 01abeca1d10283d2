"""Sources of the keys that verify tokens.

A key determines which algorithms it can verify, the configuration which are allowed at all (RFC 8725 section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A secret or public key, its `kid`, and those of the configured algorithms that it may verify."""

    key: Any
    algorithms: tuple[str, ...]
    kid: str | None = None


class KeySource(Protocol):
    """A source of the keys that may verify a token."""

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return the keys to try, in this order, for a token with this unverified header.

        Raises AuthUnavailableError while there are no keys.
        """

    def current(self) -> Sequence[VerificationKey]:
        """Return all current keys, the same objects until they are fetched again. Raises like `candidates`."""

    @property
    def ready(self) -> bool:
        """Whether tokens can be verified now; never waits."""

    @property
    def stale(self) -> bool:
        """Whether there are keys that could not be confirmed the last time."""

    @property
    def age_seconds(self) -> int:
        """Seconds since the keys were confirmed; 0 if they are fixed, or there are none."""


class FixedKeys:
    """Keys known at startup: the current one and, during a rotation, the previous one."""

    ready = True
    stale = False
    age_seconds = 0

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_texts(cls, texts: Sequence[str], algorithms: Sequence[str]) -> "FixedKeys":
        """Read PEM public keys or HMAC secrets; raises ValueError for a PEM text that is not a public key."""
        symmetric = algorithms[0].startswith("HS")
        keys = [text.encode() if symmetric else load_pem_public_key(text.encode()) for text in texts]
        return cls([VerificationKey(key, fitting(key, algorithms)) for key in keys])

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Return the keys that fit the token's algorithm."""
        return [key for key in self._keys if header.get("alg") in key.algorithms]

    def current(self) -> Sequence[VerificationKey]:
        """Return the keys, which never change."""
        return self._keys


def fitting(key: Any, algorithms: Sequence[str]) -> tuple[str, ...]:  # noqa: ANN401 - bytes or any public key
    """Return the algorithms that take this kind of key: each ES* takes one curve, RS* and PS* every RSA key."""
    return tuple(name for name in algorithms if _fits(key, name))


def _fits(key: Any, name: str) -> bool:  # noqa: ANN401 - as above
    try:
        jwt.get_algorithm_by_name(name).prepare_key(key)  # type: ignore[no-untyped-call,unused-ignore]
    except (ValueError, TypeError, jwt.InvalidKeyError):
        return False
    return True
