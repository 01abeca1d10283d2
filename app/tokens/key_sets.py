"""JWK sets (RFC 7517): the keys in them that may verify our tokens, and with which algorithms."""

import json
from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.tokens.keys import VerificationKey, fitting

# `from_jwk` belongs to an algorithm, but reads every key of its type: one per type is enough. Secrets (`oct`)
# do not belong in a set that everybody can fetch.
_READERS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
# RFC 7518 sections 6.2.2 and 6.3.2: private parameters. A key published with one is compromised.
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
# RFC 7518 section 3.3; the upper bound is OpenSSL's, which would refuse each token otherwise.
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 16384


class KeySetError(Exception):
    """The key set is unusable; the text is one of our own words, safe to log."""


def read_key_set(document: bytes, algorithms: Sequence[str]) -> tuple[VerificationKey, ...]:
    """Return the keys of a JWK set that may verify tokens of these algorithms.

    Unusable keys are skipped (RFC 7517 section 5): secrets, private keys, keys for encryption, unknown types, weak
    keys, other algorithms. Raises KeySetError: `malformed` or `no_usable_key`.
    """
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise KeySetError("malformed") from None
    if not isinstance(entries, list):
        raise KeySetError("malformed")
    keys = [_read(entry, algorithms) for entry in entries if isinstance(entry, dict)]
    usable = tuple(key for key in keys if key and key.algorithms)
    if not usable:
        raise KeySetError("no_usable_key")
    return usable


def _read(entry: dict[str, Any], algorithms: Sequence[str]) -> VerificationKey | None:
    """Return the key if it is one for verifying signatures; its `alg`, if any, is its only algorithm."""
    try:
        if _PRIVATE & entry.keys() or entry.get("use", "sig") != "sig":
            return None
        if "verify" not in entry.get("key_ops", ["verify"]):
            return None
        key: Any = jwt.get_algorithm_by_name(_READERS[entry["kty"]]).from_jwk(entry)  # type: ignore[no-untyped-call,unused-ignore]
    except Exception:  # noqa: BLE001 - whatever one key makes the libraries raise, the others are usable
        return None
    if isinstance(key, RSAPublicKey) and not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        return None
    named, kid = entry.get("alg"), entry.get("kid")
    allowed = [name for name in algorithms if named in (None, name)]
    return VerificationKey(key, fitting(key, allowed), kid if isinstance(kid, str) else None)
