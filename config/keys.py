"""Checks that the configured keys and algorithms fit together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from config.checks import SYMMETRIC

# Exactly one of these must be set.
_CURRENT = ("JWT_SECRET", "JWT_PUBLIC_KEY_FILE", "JWT_JWKS_URL")
_SECRETS = ("JWT_SECRET", "JWT_PREVIOUS_SECRET")
_PUBLIC_KEYS = ("JWT_PUBLIC_KEY_FILE", "JWT_PREVIOUS_PUBLIC_KEY_FILE")
_SECRET_BYTES = 32
# OpenSSL refuses to verify with longer keys.
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 16384


def problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each problem as (variables, sentence); `values` has the values of all settings by field name."""
    names = values["jwt_algorithms"]
    # None: unknown, as there are no algorithms.
    symmetric = names[0] in SYMMETRIC if names else None
    yield from _number(values, symmetric=symmetric)
    if symmetric is False:
        unfit = list(_unfit(values, _PUBLIC_KEYS, partial(_bad_public_key, names)))
        yield from unfit or _unserved(values)
    else:
        yield from _unfit(values, _SECRETS, _bad_secret)
    unused = _PUBLIC_KEYS[1] if symmetric else _SECRETS[1]
    if symmetric is not None and values[_field(unused)]:
        yield unused, "Not used with these algorithms."


def _number(values: Mapping[str, Any], *, symmetric: bool | None) -> Iterator[tuple[str, str]]:
    """Yield a problem unless exactly one key is set, of the kind that the algorithms use."""
    wanted = [name for name in _CURRENT if symmetric is None or (name == "JWT_SECRET") == symmetric]
    given = [name for name in _CURRENT if values[_field(name)]]
    if not given:
        yield " or ".join(wanted), "Environment variable not set."
    elif len(given) > 1 or given[0] not in wanted:
        yield " and ".join(given), f"With these algorithms set {' or '.join(wanted)}, and only that."
    elif given == ["JWT_JWKS_URL"] and values["jwt_previous_public_key"]:
        yield "JWT_PREVIOUS_PUBLIC_KEY_FILE", "Not used with JWT_JWKS_URL: the key set has all keys."


def _unfit(
    values: Mapping[str, Any], names: Sequence[str], fault: Callable[[str], str | None]
) -> Iterator[tuple[str, str]]:
    """Yield those of the variables that have a value with a fault."""
    for name in names:
        value = values[_field(name)]
        if value and (sentence := fault(value)):
            yield name, sentence


def _unserved(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the algorithms that no given public key fits; a key set is not checked, as it may gain keys later."""
    given = [_public_key(values[_field(name)]) for name in _PUBLIC_KEYS if values[_field(name)]]
    served = {name for key in given for name in _fitting(key, values["jwt_algorithms"])}
    missing = [name for name in values["jwt_algorithms"] if name not in served]
    if given and missing:
        yield "JWT_ALGORITHMS", f"No public key is given for {' '.join(missing)}."


def _bad_secret(value: str) -> str | None:
    if len(value.encode()) < _SECRET_BYTES:
        return f"Needs at least {_SECRET_BYTES} bytes."
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(value)
    except jwt.InvalidKeyError:
        return "Is a key file or a key set, not a secret."
    return None


def _bad_public_key(names: tuple[str, ...], pem: str) -> str | None:
    key = _public_key(pem)
    if not _fitting(key, names):
        return f"Not a PEM public key for {' or '.join(names)}."
    if pem.count("-----BEGIN ") > 1:
        # Only the first would count, and the tokens of the others be refused.
        return "Holds several keys: one in each file."
    if isinstance(key, RSAPublicKey) and not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        return f"Needs {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits."
    return None


def _public_key(pem: str) -> PublicKeyTypes | None:
    try:
        return load_pem_public_key(pem.encode())
    except ValueError:
        return None


def _fitting(key: PublicKeyTypes | None, names: tuple[str, ...]) -> list[str]:
    """Return the algorithms that accept this kind of key."""
    fitting = []
    for name in names:
        with suppress(ValueError, TypeError, jwt.InvalidKeyError):
            jwt.get_algorithm_by_name(name).prepare_key(key)  # type: ignore[no-untyped-call,unused-ignore]
            fitting.append(name)
    return fitting


def _field(variable: str) -> str:
    return variable.removesuffix("_FILE").lower()
