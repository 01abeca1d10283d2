"""What a token may say, and which of it counts."""

import json
import re
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UnauthorizedError
from app.principals import User
from tests.people import AUDIENCE, ISSUER, SECRET, claims, token
from tests.unit.keys import KINDS, MEMBER, checker_of, jws, pem, private_key, refuse, signed, verifier

# As long as the longest hash: RFC 7518 section 3.2 asks for no less.
LONG_SECRET = SECRET * 2
NOW = int(time.time())
FAR = NOW + 86_400
END_OF_TIME = 253_402_300_800
BAD_CLAIMS: dict[str, list[Any]] = {
    "iss": ["https://auth.example/", "https://AUTH.example", "", [ISSUER], 1, None, {}, True],
    "aud": [
        "send",
        "send-message ",
        "SEND-MESSAGE",
        "",
        [],
        ["other"],
        [[AUDIENCE]],
        [1],
        1,
        None,
        {AUDIENCE: 1},
        True,
    ],
    "sub": [
        "",
        7,
        None,
        True,
        ["a-member"],
        {"a": 1},
        "a\nb",
        "a\r\nb",
        "\0",
        "a\x7f",
        "a\x9f",
        "\ud800",
        "a\udfff",
    ],
    "exp": [
        *(NOW - 1, NOW - 0.5, 0, -1, -(10**4000), 10**4000, END_OF_TIME, END_OF_TIME + 0.5, 1e300),
        *(str(FAR), "soon", "", True, False, None, [FAR], {"at": FAR}),
        *(float("nan"), float("inf"), float("-inf")),
    ],
    "nbf": [FAR, float(FAR), 10**4000, float("inf"), float("nan"), "soon", [NOW], {}, str(FAR)],
    "iat": [FAR, 10**4000, float("inf"), float("nan"), "soon", [NOW], {}],
    "jti": [7, ["a"]],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_good_token_of_a_secret(algorithm: str) -> None:
    """Each algorithm of HMAC verifies with the secret."""
    text = jwt.encode(claims(), LONG_SECRET, algorithm=algorithm)
    assert verifier(LONG_SECRET, algorithms=(algorithm,)).verify(text) == MEMBER


@pytest.mark.parametrize(("algorithm", "kind"), [*KINDS.items(), ("EdDSA", "Ed448")])
def test_good_token_of_a_key_pair(algorithm: str, kind: str) -> None:
    """Each asymmetric algorithm verifies with the PEM text of the public key."""
    text = jwt.encode(claims(), private_key(kind), algorithm=algorithm)
    assert verifier(pem(kind), algorithms=(algorithm,)).verify(text) == MEMBER


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE, "other"]},
        {"nbf": NOW - 1},
        {"iat": NOW - 1},
        {"exp": FAR + 0.5},
        {"exp": END_OF_TIME - 1},
        {"sub": "Zoë\u00a0O'Neil/..?\u200d😀"},
        {"extra": {"sub": 1}},
    ],
)
def test_good_claims(changes: dict[str, Any]) -> None:
    """What RFC 7519 allows in claims is taken."""
    assert verifier().verify(token(**changes)) == User(ISSUER, changes.get("sub", "a-member"))


@pytest.mark.parametrize(("current", "previous"), [(SECRET, LONG_SECRET), (LONG_SECRET, SECRET)])
def test_both_keys_of_a_rotation(current: str, previous: str) -> None:
    """Tokens of the current and of the previous key are taken, those of a third are not."""
    checker = verifier(current, previous)
    assert checker.verify(token()) == MEMBER
    refuse(jws(claims(), {"alg": "HS256"}, secret="a third secret, longer than 32 bytes"), checker)


def test_previous_key_of_a_pair() -> None:
    """Tokens of the previous key are taken also where both are public keys."""
    checker = verifier(pem("another RSA"), pem("RSA"), algorithms=("RS256",))
    assert checker.verify(jwt.encode(claims(), private_key("RSA"), algorithm="RS256")) == MEMBER


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_CLAIMS.items() for value in values],
    ids=lambda value: re.sub(r"\b\d{10}\b", "a time", ascii(value))[:24],
)
def test_bad_claim(name: str, value: object) -> None:
    """A well-signed token is refused when one claim is not what RFC 7519 and the interface make of it."""
    refuse(jws({**claims(), name: value}, {"alg": "HS256"}))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp"])
def test_missing_claim(name: str) -> None:
    """All four are needed: without `exp` a token would be good for ever."""
    refuse(jws({key: value for key, value in claims().items() if key != name}, {"alg": "HS256"}))


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "0x7fffffff", "1_900_000_000"])
def test_number_that_json_has_not(number: str) -> None:
    """Numbers that Python reads as infinite, or not at all."""
    payload = json.dumps({**claims(), "exp": "EXP"}).replace('"EXP"', number)
    refuse(jws(payload.encode(), {"alg": "HS256"}))


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_the_clock_of_an_issuer_may_be_a_little_ahead(name: str) -> None:
    """A token is good as soon as it is there, where clocks differ by two seconds; by a minute is a mistake."""
    seconds: dict[str, Any] = {name: int(time.time()) + 2}
    minutes: dict[str, Any] = {name: int(time.time()) + 60}
    assert verifier().verify(token(**seconds)) == MEMBER
    refuse(token(**minutes))


def test_expiry_to_the_second() -> None:
    """A token is good until `exp` and not at it (RFC 7519 section 4.1.4); no clock is forgiven here."""
    text = token(exp=FAR)
    assert verifier(clock=lambda: FAR - 0.001).verify(text) == MEMBER
    refuse(text, verifier(clock=lambda: FAR))


def test_lifetime() -> None:
    """`exp` may be as far ahead as the operator allows and no further; without a bound it may be any time."""
    bounded = verifier(max_lifetime=3600, clock=lambda: NOW)
    assert bounded.verify(token(exp=NOW + 3600)) == MEMBER
    for late in (NOW + 3601, NOW + 3600.5, END_OF_TIME - 1):
        refuse(token(exp=late), bounded)
    assert verifier(clock=lambda: NOW).verify(token(exp=END_OF_TIME - 1)) == MEMBER


def test_true_is_no_time() -> None:
    """Not even in 1970, when the number that Python takes it for was in the future."""
    assert verifier(clock=lambda: 0).verify(token(exp=1)) == MEMBER
    refuse(token(exp=True), verifier(clock=lambda: 0))


def test_length() -> None:
    """A token of 8,192 characters is read, a longer one is not, however good it is."""
    fitting = next(text for size in range(5900, 6100) if len(text := token(pad="x" * size)) == 8192)
    assert verifier().verify(fitting) == MEMBER
    refuse(token(pad="x" * 6000))


@given(st.data())
def test_no_change_of_a_good_token_verifies(data: st.DataObject) -> None:
    """Whatever is replaced, inserted or cut, with a secret or a key pair, the answer is 401."""
    algorithm = data.draw(st.sampled_from(["HS256", "RS256", "ES256", "EdDSA"]))
    good = signed(algorithm)
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 4)))
    letters = st.text(alphabet=st.sampled_from("AQgw-_09zZ=.") | st.characters(), max_size=4)
    changed = good[:start] + data.draw(letters) + good[end:]
    if changed != good:
        refuse(changed, checker_of(algorithm))


def test_a_padded_token_does_not_verify() -> None:
    """RFC 7515 section 2 writes base64url without padding; PyJWT alone would let one `=` pass."""
    refuse(token() + "=")


@given(st.text())
def test_no_text_verifies(text: str) -> None:
    """Whatever anybody sends, the answer is 401."""
    refuse(text)


@given(name=st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "other"]), value=JSON)
def test_no_claim_raises_anything_else(name: str, value: object) -> None:
    """Whatever a signed claim holds, the token is good or the answer is 401."""
    try:
        user = verifier().verify(jws({**claims(), name: value}, {"alg": "HS256"}))
    except UnauthorizedError:
        return
    assert user == User(ISSUER, str(value) if name == "sub" else "a-member")
