"""What is remembered of a token: that it was good, for as long as nothing that made it good has changed."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from app.errors import AuthUnavailableError
from app.tokens.keys import FixedKeys, VerificationKey
from app.tokens.verifier import TokenVerifier
from tests.people import AUDIENCE, ISSUER, SECRET, token
from tests.unit.clocks import Clock
from tests.unit.keys import MEMBER, refuse

NOW = int(time.time())
OTHER = "another secret of the tests, longer than 32 bytes"


class Rotating(FixedKeys):
    """Keys that a test can change, and how often they were asked for to verify with."""

    def __init__(self, *secrets: str) -> None:
        super().__init__(())
        self.asked = 0
        self.publish(*secrets)

    def publish(self, *secrets: str) -> None:
        self._keys = tuple(VerificationKey(secret.encode(), ("HS256",)) for secret in secrets)

    def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:
        self.asked += 1
        return super().candidates(header)

    def current(self) -> Sequence[VerificationKey]:
        if not self._keys:
            raise AuthUnavailableError
        return super().current()


def checker(keys: Rotating, clock: Clock, max_lifetime: float | None = None) -> TokenVerifier:
    return TokenVerifier(
        keys, algorithms=("HS256",), issuer=ISSUER, audience=AUDIENCE, max_lifetime=max_lifetime, clock=clock
    )


def test_a_token_is_verified_once() -> None:
    """Another one of the same user is verified by itself."""
    keys = Rotating(SECRET)
    verifier = checker(keys, Clock(NOW))
    tokens = [token(jti="a"), token(jti="b")]
    assert [verifier.verify(text) for text in tokens * 3] == [MEMBER] * 6
    assert keys.asked == 2


def test_expiry() -> None:
    """Remembering a token makes its life no longer, and its largest lifetime no larger."""
    clock = Clock(NOW)
    text = token(exp=NOW + 10)
    verifier = checker(Rotating(SECRET), clock, max_lifetime=10)
    assert verifier.verify(text) == MEMBER
    clock.now = NOW + 9.9
    assert verifier.verify(text) == MEMBER
    for clock.now in (NOW + 10, NOW - 1):
        refuse(text, verifier)


def test_rotation() -> None:
    """A key that is taken away vouches for nothing any more; one that is published again is asked again."""
    keys = Rotating(SECRET)
    verifier, text = checker(keys, Clock(NOW)), token()
    assert verifier.verify(text) == MEMBER
    keys.publish(OTHER, SECRET)
    assert (verifier.verify(text), keys.asked) == (MEMBER, 2)
    assert (verifier.verify(text), keys.asked) == (MEMBER, 2)
    keys.publish(OTHER)
    refuse(text, verifier)


def test_no_keys() -> None:
    """While there are none that may be believed, nothing is, remembered or not."""
    keys = Rotating(SECRET)
    verifier, text = checker(keys, Clock(NOW)), token()
    assert verifier.verify(text) == MEMBER
    keys.publish()
    with pytest.raises(AuthUnavailableError):
        verifier.verify(text)


def test_what_is_refused_is_not_remembered() -> None:
    """It would let anybody fill the memory."""
    verifier = checker(Rotating(SECRET), Clock(NOW))
    for text in ("", "a.b.c", token(aud="other"), token(exp=NOW), token()[:-1]):
        refuse(text, verifier)
    assert not verifier._known


def test_memory_is_bounded() -> None:
    """Of 20,001 tokens the first is forgotten, and is verified again."""
    keys = Rotating(SECRET)
    verifier, text = checker(keys, Clock(NOW)), token()
    verifier.verify(text)
    (verified,) = verifier._known.values()
    for number in range(20_000):
        verifier._remember(b"%d" % number, verified)
    assert len(verifier._known) == 20_000
    assert (verifier.verify(text), keys.asked) == (MEMBER, 2)


def test_users_with_long_ids_are_not_remembered() -> None:
    """Whoever may choose an id of 8 KB would fill the memory of a worker."""
    keys = Rotating(SECRET)
    verifier = checker(keys, Clock(NOW))
    for _ in range(2):
        verifier.verify(token("x" * 256))
    assert keys.asked == 2
