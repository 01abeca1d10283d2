"""Where the keys that tokens are verified with come from.

A source is asked on the request path and never does I/O there: what has to be fetched is fetched beforehand.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from cryptography.hazmat.primitives.serialization import load_pem_public_key


class KeySource(Protocol):
    """The keys that may have signed a token."""

    def candidates(self, header: dict[str, Any]) -> Sequence[Any]:
        """Keys to try for a token with this unverified header, the likeliest first.

        Raises AuthUnavailableError while no key has ever been loaded.
        """
        ...

    @property
    def ready(self) -> bool:
        """Whether tokens can be verified now."""
        ...


class FixedKeys:
    """Keys known at start: the current one and, during a rotation, the previous one."""

    ready = True

    def __init__(self, keys: Sequence[Any]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "FixedKeys":
        """Keys from PEM public keys or HMAC secrets; raises ValueError for a PEM text that is no public key."""
        return cls([_key(text) for text in texts])

    def candidates(self, header: dict[str, Any]) -> Sequence[Any]:  # noqa: ARG002 - any token may be signed with any
        """All keys, whatever the header says."""
        return self._keys


def _key(text: str) -> Any:  # noqa: ANN401 - bytes or any public key of cryptography
    return load_pem_public_key(text.encode()) if text.lstrip().startswith("-----BEGIN") else text.encode()
