"""Which keys of a set verify which tokens."""

import json
from collections.abc import Sequence
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tokens.key_sets import KeySetError, read_key_set
from app.tokens.keys import FixedKeys, VerificationKey
from app.tokens.verifier import TokenVerifier
from tests.people import claims
from tests.unit.key_servers import ALGORITHMS, checker, forged, jwk, signed
from tests.unit.keys import KINDS, MEMBER, jws, pem, private_key, refuse, segment

EVERY = tuple(KINDS)
PRIVATE_RSA = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(private_key("RSA")))  # type: ignore[no-untyped-call,unused-ignore]
# None of these may ever verify anything.
UNUSABLE: dict[str, Any] = {
    "secret": {"kty": "oct", "k": segment(b"k" * 40), "kid": "a"},
    "secret for RS256": {"kty": "oct", "k": segment(b"k" * 40), "alg": "RS256"},
    "private": PRIVATE_RSA,
    "private, said to be for verifying": {**PRIVATE_RSA, "use": "sig", "key_ops": ["verify"]},
    "for encryption": jwk("RSA", use="enc"),
    "for an unknown use": jwk("RSA", use=7),
    "for signing": jwk("RSA", key_ops=["sign"]),
    "for no operation": jwk("RSA", key_ops=[]),
    "operations that are no list": jwk("RSA", key_ops=1),
    "weak": jwk("weak RSA"),
    "giant": jwk("RSA", n=segment(b"\xff" * 2049)),
    "exponent of one": jwk("RSA", e="AQ"),
    "modulus that is no text": jwk("RSA", n=7),
    "no modulus": jwk("RSA", n=None),
    "not on its curve": jwk("P-256", x=segment(b"\1" * 32)),
    "another curve": jwk("P-256", crv="secp256k1"),
    "unknown curve": jwk("P-256", crv="P-999"),
    "no curve": jwk("P-256", crv=None),
    "curve of another kind": jwk("Ed25519", crv="X25519"),
    "unknown kind": jwk("RSA", kty="LWE"),
    "kind that is no text": jwk("RSA", kty=["RSA"]),
    "no kind": jwk("RSA", kty=None),
    "kind of another key": jwk("P-256", kty="RSA"),
    "for an algorithm of another kind": jwk("RSA", alg="ES256"),
    "for an algorithm of another curve": jwk("P-384", alg="ES256"),
    "for a MAC": jwk("RSA", alg="HS256"),
    "for encryption, by algorithm": jwk("RSA", alg="RSA-OAEP"),
    "for no algorithm": jwk("RSA", alg="none"),
    "algorithm that is no text": jwk("RSA", alg=["RS256"]),
    "empty": {},
    "text": "RSA",
    "list": [["kty", "RSA"]],
    "null": None,
}
MALFORMED = [
    *(b"", b"{", b"null", b"7", b'"keys"', b"[]", b"{}", b'{"keys": null}', b'{"keys": {"kty": "RSA"}}'),
    *(b'{"keys": "RSA"}', b"\xff\xfe", b"<html>", b"[" * 100_000, b'{"keys":' * 50_000, b"{} {}"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "use", "key_ops", "alg", "kid", "x5c", "oth"])


def document(*entries: Any) -> bytes:
    return json.dumps({"keys": entries}).encode()


def verifier(*entries: Any, algorithms: tuple[str, ...] = EVERY) -> TokenVerifier:
    """A verifier with the keys of this set."""
    return checker(FixedKeys(read_key_set(document(*entries), algorithms)), algorithms)


@pytest.mark.parametrize("names", ["its own", "none"])
@pytest.mark.parametrize(("algorithm", "kind"), [*KINDS.items(), ("EdDSA", "Ed448")])
def test_every_algorithm(algorithm: str, kind: str, names: str) -> None:
    """A key verifies with the algorithm that it names; naming none, with those of its kind and curve."""
    entry = jwk(kind, alg=algorithm if names == "its own" else None)
    assert verifier(entry).verify(signed(kind, algorithm)) == MEMBER


@pytest.mark.parametrize(
    ("entry", "configured", "token"),
    [
        (jwk("RSA", alg="RS256"), EVERY, signed("RSA", "PS256")),
        (jwk("RSA", alg="RS256"), EVERY, signed("RSA", "RS512")),
        (jwk("RSA"), ("RS256",), signed("RSA", "RS512")),
        (jwk("RSA"), ("RS256", "ES256"), signed("RSA", "PS256")),
        (jwk("P-256"), EVERY, signed("P-384", "ES384", kid="P-256")),
        (jwk("RSA"), EVERY, signed("P-256", "ES256", kid="RSA")),
        (jwk("RSA"), EVERY, jws(claims(), {"alg": "HS256"}, secret=pem("RSA"))),
        (jwk("RSA"), EVERY, forged("RSA")),
    ],
)
def test_an_algorithm_must_be_the_keys_and_configured(
    entry: dict[str, Any], configured: tuple[str, ...], token: str
) -> None:
    """One of the two is not enough, and the token's own word is nothing (RFC 8725 section 3.1)."""
    refuse(token, verifier(entry, algorithms=configured))


def test_a_key_verifies_its_algorithms_alone() -> None:
    """Also where a source of keys hands it out for a token of another algorithm."""

    class CarelessKeys(FixedKeys):
        def candidates(self, header: dict[str, Any]) -> Sequence[VerificationKey]:  # noqa: ARG002 - that is careless
            return self._keys

    keys = CarelessKeys(read_key_set(document(jwk("RSA", alg="RS256")), EVERY))
    assert checker(keys, EVERY).verify(signed("RSA", "RS256")) == MEMBER
    refuse(signed("RSA", "PS256"), checker(keys, EVERY))


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_key(name: str) -> None:
    """It is left out: the key beside it verifies; alone, it is as no set."""
    good = jwk("another RSA")
    keys = read_key_set(document(UNUSABLE[name], good), EVERY)
    assert [key.kid for key in keys] == ["another RSA"]
    with pytest.raises(KeySetError, match="no_usable_key"):
        read_key_set(document(UNUSABLE[name]), EVERY)


def test_secrets_have_no_place_in_a_set() -> None:
    """Everybody can fetch it: not even where HMAC is configured."""
    with pytest.raises(KeySetError, match="no_usable_key"):
        read_key_set(document(UNUSABLE["secret"], jwk("RSA")), ("HS256",))


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:24]))
def test_document_that_is_no_set(body: bytes) -> None:
    """Whatever a server answers instead, there is one thing to catch."""
    with pytest.raises(KeySetError, match="malformed"):
        read_key_set(body, EVERY)


def test_empty_set() -> None:
    """A set without keys is of no use."""
    with pytest.raises(KeySetError, match="no_usable_key"):
        read_key_set(document(), EVERY)


@given(kind=st.sampled_from(["RSA", "P-256", "Ed25519"]), name=MEMBERS, value=JSON)
def test_no_member_raises_anything(kind: str, name: str, value: object) -> None:
    """Whatever a key holds, the one beside it is read."""
    keys = read_key_set(document({**jwk(kind), name: value}, jwk("another RSA")), ALGORITHMS)
    assert keys[-1].kid == "another RSA"


def test_names_of_keys() -> None:
    """A name is text; a key with any other name has none. Members that are not known are ignored."""
    entries = [jwk("RSA"), jwk("P-256", kid=7), jwk("Ed25519", kid=None, x5u="http://evil.example", new=1)]
    assert [key.kid for key in read_key_set(document(*entries), EVERY)] == ["RSA", None, None]


def test_two_kinds_of_fixed_keys() -> None:
    """PEM files of two kinds, as in a rotation from RSA to EC: each verifies its own algorithms."""
    both = checker(FixedKeys.from_texts([pem("P-256"), pem("RSA")], ("RS256", "ES256")), ("RS256", "ES256"))
    assert both.verify(signed("RSA", "RS256")) == MEMBER
    assert both.verify(signed("P-256", "ES256")) == MEMBER
    refuse(signed("RSA", "PS256"), both)
    refuse(signed("another RSA", "RS256"), both)
    refuse(jws(claims(), {"alg": "HS256"}, secret=pem("RSA")), both)
