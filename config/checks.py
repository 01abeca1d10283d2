"""What a setting must be. Each check returns, or raises ValueError with a sentence that shows no value."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from limits import parse_many

_SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
_ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_URL = re.compile(
    r"https?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[(?P<v6>[0-9A-Fa-f:.]+)\])(:(?P<port>[1-9][0-9]{0,4}))?(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)
# RFC 3986 section 3.4.
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_ADDRESS = re.compile(r"unix:.+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):(?P<port>[0-9]{1,5})")
_LARGEST_PORT = 65535
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# A window keeps 16 bytes for each admission.
_LARGEST_LIMIT = 1_000_000
_LONGEST_WINDOW = 366 * 86_400
_ZERO = re.compile(r"\b0+\b")
_LARGEST_BODY = 16_777_216
_KEYS = ("JWT_SECRET", "JWT_PUBLIC_KEY_FILE", "JWT_JWKS_URL")
_SECRET_BYTES = 32
# OpenSSL verifies nothing with longer ones.
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 16384


def algorithms(names: tuple[str, ...]) -> None:
    """Algorithms of one family: HMAC secrets are never mixed with public keys (RFC 8725 section 2.1)."""
    known = set(names) <= _SYMMETRIC or set(names) <= _ASYMMETRIC
    if not names or not known:
        raise ValueError("Of one family: HS256 HS384 HS512, or of RS* PS* ES* (256 384 512) and EdDSA.")


def url(value: str) -> None:
    """An absolute http or https URL without user, query or fragment."""
    if not _is_url(value):
        raise ValueError(
            "An http:// or https:// URL of host, port and path: no user, password, query or fragment."
        )


def key_set_url(value: str) -> None:
    """The same, with or without a query: some issuers tell their key sets apart by one."""
    place, _, query = value.partition("?")
    if not _is_url(place) or not _QUERY.fullmatch(query):
        raise ValueError(
            "An http:// or https:// URL of host, port, path and query: no user, password or fragment."
        )


def rate_limit(value: str) -> None:
    """One limit in Flask-Limiter's notation, such as `30 per minute`."""
    try:
        limits = parse_many(value)
    except ValueError:
        limits = []
    # Of `0 minutes` limits makes one.
    is_one = len(limits) == 1 and not _ZERO.search(value)
    if not is_one or limits[0].amount > _LARGEST_LIMIT or limits[0].get_expiry() > _LONGEST_WINDOW:
        raise ValueError('One limit such as "30 per minute" or "100 per 5 minutes".')


def seconds(value: float) -> None:
    """A time that can be waited for."""
    if not 0 < value <= 600:  # noqa: PLR2004 - ten minutes
        raise ValueError("Seconds, more than 0 and at most 600.")


def not_negative(value: float) -> None:
    """Zero or more."""
    if value < 0:
        raise ValueError("Must be 0 or more.")


def positive(value: float) -> None:
    """One or more."""
    if value < 1:
        raise ValueError("Must be 1 or more.")


def body_bytes(value: int) -> None:
    """A size that a body may have, and that a worker has memory for."""
    if not 1 <= value <= _LARGEST_BODY:
        raise ValueError(f"Bytes, from 1 to {_LARGEST_BODY}.")


def threads(value: int) -> None:
    """Enough that some can wait for other services and one never does."""
    if value < 2:  # noqa: PLR2004 - one that waits, one that never does
        raise ValueError("Must be 2 or more: a quarter of the threads never waits for other services.")


def address(value: str) -> None:
    """HOST:PORT, or unix:PATH."""
    found = _ADDRESS.fullmatch(value)
    if not found or int(found["port"] or 0) > _LARGEST_PORT:
        raise ValueError("HOST:PORT or unix:PATH.")


def tcp_address(value: str) -> None:
    """HOST:PORT."""
    try:
        address("" if value.startswith("unix:") else value)
    except ValueError:
        raise ValueError("HOST:PORT.") from None


def header_value(value: str) -> None:
    """What can stand in an Authorization header (RFC 9110 section 5.5)."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("Visible ASCII without spaces.")


def log_level(value: str) -> None:
    """A level of Python's logging, by the one name that each has; NOTSET would leave out the requests."""
    if value not in _LEVELS:
        raise ValueError(f"One of {', '.join(_LEVELS)}.")


def keys(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong between the algorithms and the keys, as (variables, sentence)."""
    names = values["jwt_algorithms"]
    symmetric = None if not names else names[0] in _SYMMETRIC
    wanted = [name for name in _KEYS if symmetric is None or (name == "JWT_SECRET") == symmetric]
    given = [name for name in _KEYS if values[_field(name)]]
    if not given:
        yield " or ".join(wanted), "Environment variable not set."
    elif len(given) > 1 or given[0] not in wanted:
        yield " and ".join(given), f"With these algorithms set {' or '.join(wanted)}, and only that."
    elif given == ["JWT_JWKS_URL"] and values["jwt_previous_public_key"]:
        yield "JWT_PREVIOUS_PUBLIC_KEY_FILE", "Not used with JWT_JWKS_URL: the key set has all keys."
    if symmetric is None:
        yield from _short_secrets(values)
    else:
        unfit = list(_unfit(values, symmetric=symmetric))
        yield from unfit or ([] if symmetric else _unserved(values))


def _short_secrets(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with secrets for whatever algorithms."""
    for name in ("JWT_SECRET", "JWT_PREVIOUS_SECRET"):
        value = values[_field(name)]
        if value and (sentence := _bad_secret(value)):
            yield name, sentence


def _unfit(values: Mapping[str, Any], *, symmetric: bool) -> Iterator[tuple[str, str]]:
    for name in ("JWT_SECRET", "JWT_PREVIOUS_SECRET", "JWT_PUBLIC_KEY_FILE", "JWT_PREVIOUS_PUBLIC_KEY_FILE"):
        value = values[_field(name)]
        if not value:
            continue
        if name.endswith("SECRET") != symmetric:
            sentence = None if name in _KEYS else "Not used with these algorithms."
        else:
            sentence = _bad_secret(value) if symmetric else _bad_public_key(value, values["jwt_algorithms"])
        if sentence:
            yield name, sentence


def _unserved(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Algorithms that none of the public keys is for, where keys are given; a key set may get one later."""
    given = [_public_key(pem) for pem in (values["jwt_public_key"], values["jwt_previous_public_key"]) if pem]
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


def _bad_public_key(pem: str, names: tuple[str, ...]) -> str | None:
    key = _public_key(pem)
    if not _fitting(key, names):
        return f"Not a PEM public key for {' or '.join(names)}."
    if isinstance(key, RSAPublicKey) and not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        return f"Needs {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits."
    return None


def _public_key(pem: str) -> PublicKeyTypes | None:
    try:
        return load_pem_public_key(pem.encode())
    except ValueError:
        return None


def _fitting(key: PublicKeyTypes | None, names: tuple[str, ...]) -> list[str]:
    """Those of the algorithms that take this kind of key."""
    fitting = []
    for name in names:
        with suppress(ValueError, TypeError, jwt.InvalidKeyError):
            jwt.get_algorithm_by_name(name).prepare_key(key)  # type: ignore[no-untyped-call,unused-ignore]
            fitting.append(name)
    return fitting


def _field(variable: str) -> str:
    return variable.removesuffix("_FILE").lower()


def _is_url(value: str) -> bool:
    found = _URL.fullmatch(value)
    if not found:
        return False
    return int(found["port"] or 0) <= _LARGEST_PORT and _is_v6(found["v6"] or "::1")


def _is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
