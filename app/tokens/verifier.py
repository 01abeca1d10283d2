"""Verification of bearer tokens: JWT (RFC 7519), following RFC 8725 section 3."""

import hashlib
import math
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jwt
from jwt.utils import base64url_decode

from app import strict_json
from app.errors import UnauthorizedError
from app.principals import LONGEST_REMEMBERED_ID, User
from app.tokens.keys import KeySource, VerificationKey

# Longer tokens are refused without parsing.
_LONGEST = 8192
# The first second of the year 10000, which the dates of the standard library do not reach.
_END_OF_TIME = 253_402_300_800
# Clocks of issuers differ: `iat` and `nbf` may be this many seconds in the future. `exp` has no such grace.
_GRACE = 5
# Verified tokens in the cache, some 10 MB; beyond this, the one cached first is evicted.
_LARGEST = 20_000
_OPTIONS: Any = {"require": ["iss", "aud", "sub", "exp"], "verify_exp": False}


class _Verified(NamedTuple):
    """The expiry and the user of a valid token, and the key that verified it."""

    key: VerificationKey
    expires: float
    user: User


class TokenVerifier:
    """Turns a token into its user.

    A valid token is cached, by its hash, and accepted from there until it expires or its key is no longer one of
    the current objects, as after every fetch.

    The token's algorithm must be configured and be one of its key's; header parameters that contain or point to
    keys (`jwk`, `jku`, `x5u`, `x5c`) are ignored. `exp` may be at most `max_lifetime` seconds ahead, if given.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        algorithms: Sequence[str],
        issuer: str,
        audience: str,
        max_lifetime: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._algorithms = tuple(algorithms)
        self._issuer = issuer
        self._audience = audience
        self._max_lifetime = max_lifetime or math.inf
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()

    def verify(self, token: str) -> User:
        """Return the user of this token.

        Raises UnauthorizedError if anything is wrong with it, AuthUnavailableError while there are no keys.
        """
        # RFC 7515 section 2 allows no padding, but PyJWT accepts one `=`.
        if len(token) > _LONGEST or "=" in token or not token.isascii():
            raise UnauthorizedError
        # The cache is keyed by a hash: a token may have 8 KiB.
        name = hashlib.sha256(token.encode()).digest()
        verified = self._known.get(name)
        if verified is None or not any(key is verified.key for key in self.keys.current()):
            verified = self._remember(name, self._verified(token))
        if not self._is_unexpired(verified.expires):
            raise UnauthorizedError
        return verified.user

    def _verified(self, token: str) -> _Verified:
        key, claims = self._vouched_for(token)
        if not self._is_unexpired(claims["exp"]) or not _is_user_id(claims["sub"]):
            raise UnauthorizedError
        return _Verified(key, claims["exp"], User(self._issuer, claims["sub"]))

    def _remember(self, name: bytes, verified: _Verified) -> _Verified:
        if len(verified.user.id) > LONGEST_REMEMBERED_ID:
            return verified
        with self._lock:
            self._known[name] = verified
            if len(self._known) > _LARGEST:
                self._known.popitem(last=False)
        return verified

    def _vouched_for(self, token: str) -> tuple[VerificationKey, dict[str, Any]]:
        """Return the key that verifies the token, and the token's claims."""
        for key in self._candidates(token):
            try:
                return key, self._decode(token, key)
            except jwt.InvalidSignatureError:
                continue
            # PyJWT does not catch the arithmetic errors of claims such as `"nbf": Infinity`.
            except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
                raise UnauthorizedError from error
        raise UnauthorizedError

    def _candidates(self, token: str) -> Sequence[VerificationKey]:
        """Return the keys to try: none if the algorithm is not configured or the `typ` is not for access."""
        try:
            # First of all: PyJWT's parser recurses as deep as anybody wants (`app.strict_json`).
            strict_json.read(base64url_decode(token.partition(".")[0]))
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise UnauthorizedError from error
        wanted = header.get("alg") in self._algorithms and _may_be_for_access(header.get("typ"))
        return self.keys.candidates(header) if wanted else ()

    def _decode(self, token: str, key: VerificationKey) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=key.algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=_GRACE,
            options=_OPTIONS,
        )
        # PyJWT takes the last of two equal names; a gateway in front may have taken the first.
        strict_json.read(base64url_decode(token.split(".")[1]))
        return claims

    def _is_unexpired(self, expires: object) -> bool:
        """Return whether `exp` is a sane number in the future; PyJWT would also accept text and 10^4000."""
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            return False
        now = self._clock()
        # Comparisons with NaN are false.
        return now < expires < _END_OF_TIME and expires <= now + self._max_lifetime


def _may_be_for_access(kind: object) -> bool:
    """Return whether `typ` can be an access token's, not a logout token's or a proof's (RFC 8725 section 3.11)."""
    if not isinstance(kind, str):
        return kind is None
    # RFC 7515 section 4.1.9: a case-insensitive media type, whose `application/` may be omitted.
    return kind.lower().removeprefix("application/") in {"jwt", "at+jwt"}


def _is_user_id(value: str) -> bool:
    """Return whether the text can be a user id: not empty, no control characters, no lone surrogates."""
    if value.isprintable():
        return value != ""
    return not any(unicodedata.category(char) in {"Cc", "Cs"} for char in value)
