"""Verifies bearer tokens: JWT (RFC 7519) with the advice of RFC 8725 section 3."""

import math
import time
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import jwt
from jwt.utils import base64url_decode

from app import strict_json
from app.errors import UnauthorizedError
from app.principals import User
from app.tokens.keys import KeySource, VerificationKey

# Tokens longer than this are refused unparsed.
_LONGEST = 8192
# 253402300800 is the first second of the year 10000, which no calendar of the standard library reaches.
_END_OF_TIME = 253_402_300_800
# Clocks of issuers run apart: a token may seem to be issued this many seconds from now. `exp` has no such grace.
_GRACE = 5
_OPTIONS: Any = {"require": ["iss", "aud", "sub", "exp"], "verify_exp": False}


class TokenVerifier:
    """Turns a token into its user.

    The token's algorithm must be configured and be one of its key's; header parameters that carry or point to
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

    def verify(self, token: str) -> User:
        """The user of this token.

        Raises UnauthorizedError for anything wrong with it, AuthUnavailableError while there is no key.
        """
        # RFC 7515 section 2 has no padding, but PyJWT lets one `=` pass.
        if len(token) > _LONGEST or "=" in token:
            raise UnauthorizedError(presented=True)
        claims = self._claims(token)
        if not self._current(claims["exp"]) or not _is_user_id(claims["sub"]):
            raise UnauthorizedError(presented=True)
        return User(self._issuer, claims["sub"])

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims that one of the keys vouches for."""
        for key in self._candidates(token):
            try:
                return self._decode(token, key)
            except jwt.InvalidSignatureError:
                continue
            # PyJWT lets arithmetic errors of claims such as `"nbf": Infinity` through.
            except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
                raise UnauthorizedError(presented=True) from error
        raise UnauthorizedError(presented=True)

    def _candidates(self, token: str) -> Sequence[VerificationKey]:
        """The keys to try, none for a token of an algorithm that is not configured or of another kind."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise UnauthorizedError(presented=True) from error
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
        # PyJWT takes the last of two equal names; whoever stands in front may have taken the first.
        for part in token.split(".")[:2]:
            strict_json.read(base64url_decode(part))
        return claims

    def _current(self, expires: object) -> bool:
        """Whether `exp` is a sane number in the future; PyJWT would take text and 10^4000 as well."""
        if isinstance(expires, bool) or not isinstance(expires, int | float):
            return False
        now = self._clock()
        # No comparison with NaN holds.
        return now < expires < _END_OF_TIME and expires <= now + self._max_lifetime


def _may_be_for_access(kind: object) -> bool:
    """Whether a token of this `typ` can be one for access; a logout or a proof is not (RFC 8725 section 3.11)."""
    if not isinstance(kind, str):
        return kind is None
    # RFC 7515 section 4.1.9: a media type, in any case of letters, whose `application/` may be left out.
    return kind.lower().removeprefix("application/") in {"jwt", "at+jwt"}


def _is_user_id(value: str) -> bool:
    """Whether the text can name a user: not empty, no control characters, no lone surrogates."""
    if value.isprintable():
        return value != ""
    return not any(unicodedata.category(char) in {"Cc", "Cs"} for char in value)
