"""Validators of settings. Each returns None, or raises ValueError with a sentence that shows no value."""

import ipaddress
import re
from collections.abc import Callable
from math import inf

from limits import parse_many

SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
_ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_URL = re.compile(
    r"https?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[(?P<v6>[0-9A-Fa-f:.]+)\])(:(?P<port>[1-9][0-9]{0,4}))?(/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?"
)
# RFC 3986 section 3.4.
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_ADDRESS = re.compile(r"unix:.+|(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):(?P<port>[0-9]{1,5})")
_LARGEST_PORT = 65535
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# A window stores 16 bytes per admission.
_LARGEST_LIMIT = 1_000_000
_LONGEST_WINDOW = 366 * 86_400
_ZERO = re.compile(r"(?<![0-9])0+(?![0-9])")
_LARGEST_BODY = 16_777_216


def algorithms(names: tuple[str, ...]) -> None:
    """Algorithms of one family: HMAC is never mixed with public-key algorithms (RFC 8725 section 2.1)."""
    known = set(names) <= SYMMETRIC or set(names) <= _ASYMMETRIC
    if not names or not known:
        raise ValueError("Of one family: HS256 HS384 HS512, or of RS* PS* ES* (256 384 512) and EdDSA.")


def url(value: str) -> None:
    """An absolute http or https URL without user, query or fragment."""
    if not _is_url(value):
        raise ValueError(
            "An http:// or https:// URL of host, port and path: no user, password, query or fragment."
        )


def key_set_url(value: str) -> None:
    """A URL as in `url`, optionally with a query: some issuers distinguish their key sets by it."""
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
    # `limits` reads `0 minutes` as 1 minute.
    is_one = len(limits) == 1 and not _ZERO.search(value)
    if not is_one or limits[0].amount > _LARGEST_LIMIT or limits[0].get_expiry() > _LONGEST_WINDOW:
        raise ValueError('One limit such as "30 per minute" or "100 per 5 minutes".')


def seconds(value: float) -> None:
    """A timeout of more than 0 and at most 600 s."""
    if not 0 < value <= 600:  # noqa: PLR2004 - ten minutes
        raise ValueError("Seconds, more than 0 and at most 600.")


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
    """A value that is valid in an Authorization header (RFC 9110 section 5.5)."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("Visible ASCII without spaces.")


def log_level(value: str) -> None:
    """A level of Python's logging, by its main name; NOTSET is refused, as it would drop the request lines."""
    if value not in _LEVELS:
        raise ValueError(f"One of {', '.join(_LEVELS)}.")


def _between(least: int, most: float, sentence: str) -> Callable[[float], None]:
    def check(value: float) -> None:
        if not least <= value <= most:
            raise ValueError(sentence)

    return check


not_negative = _between(0, inf, "Must be 0 or more.")
positive = _between(1, inf, "Must be 1 or more.")
# More would not fit into a worker's memory.
body_bytes = _between(1, _LARGEST_BODY, f"Bytes, from 1 to {_LARGEST_BODY}.")
threads = _between(2, inf, "Must be 2 or more: a quarter of the threads never waits for other services.")


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
