"""Where the keys that tokens are verified with come from.

A key decides which algorithms it verifies, the configuration which are allowed at all (RFC 8725 section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A secret or public key and the algorithms, all of them configured, that it may verify; `kid` is its name."""

    key: Any
    algorithms: tuple[str, ...]
    kid: str | None = None


class KeySource(Protocol):
    """The keys that may have signed a token."""

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """Keys to try for a token with this unverified header, the likeliest first.

        Raises AuthUnavailableError while there is no key at all.
        """
        ...

    def current(self) -> Sequence[VerificationKey]:
        """All keys of now: the same object until they are fetched again. Raises as `candidates`."""
        ...

    @property
    def ready(self) -> bool:
        """Whether tokens can be verified now; never waits."""
        ...

    @property
    def stale_seconds(self) -> int | None:
        """How old the keys are that cannot be refreshed at the moment; None when nothing is wrong with them."""
        ...

    @property
    def age_seconds(self) -> int:
        """How long ago the keys were confirmed; 0 where they are fixed, or there are none."""
        ...


class FixedKeys:
    """Keys known at start: the current one and, during a rotation, the previous one."""

    ready = True
    stale_seconds = None
    age_seconds = 0

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_texts(cls, texts: Sequence[str], algorithms: Sequence[str]) -> "FixedKeys":
        """Keys from PEM public keys or HMAC secrets; raises ValueError for a PEM text that is no public key."""
        symmetric = algorithms[0].startswith("HS")
        keys = [text.encode() if symmetric else load_pem_public_key(text.encode()) for text in texts]
        return cls([VerificationKey(key, fitting(key, algorithms)) for key in keys])

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        """The keys of the kind that the token's algorithm takes."""
        return [key for key in self._keys if header.get("alg") in key.algorithms]

    def current(self) -> Sequence[VerificationKey]:
        """They stay the same."""
        return self._keys


def fitting(key: Any, algorithms: Sequence[str]) -> tuple[str, ...]:  # noqa: ANN401 - bytes or any public key
    """Those of the algorithms that take this kind of key: ES* each take one curve, RS* and PS* every RSA key."""
    return tuple(name for name in algorithms if _fits(key, name))


def _fits(key: Any, name: str) -> bool:  # noqa: ANN401 - as above
    try:
        jwt.get_algorithm_by_name(name).prepare_key(key)  # type: ignore[no-untyped-call,unused-ignore]
    except (ValueError, TypeError, jwt.InvalidKeyError):
        return False
    return True
