"""What a token may look like, and what of its header counts."""

import base64
import json
import string
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.environs import ROOT
from tests.people import SECRET, claims, token
from tests.unit.keys import (
    KINDS,
    MEMBER,
    checker_of,
    jws,
    pem,
    private_key,
    refuse,
    segment,
    signed,
    verifier,
)

BAD_HEADERS: dict[str, list[Any]] = {
    "alg": [
        *("none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS512", "RS256", "dir", "A256KW"),
        *(None, 0, True, ["HS256"], {"HS256": 1}),
    ],
    "kid": [None, 7, ["a"], {}],
    "crit": [["exp"], ["x"], [], None, "exp", {}, [None], ["b64"]],
    "b64": [False],
    "typ": ["logout+jwt", "dpop+jwt", "application/secevent+jwt", "JWE", "", "at+jwt ", 7, ["JWT"], {}],
}
# Refuses deep headers in a thread with a stack of 128 KB, musl's default.
ON_A_SMALL_STACK = """\
import threading
from tests.unit.keys import refuse, segment, verifier

def refuse_deep_headers():
    for header in (b"[" * 6_000, b'{"":' * 1_500):
        refuse(f"{segment(header)}.e30.", checker)
        print("refused")

checker = verifier()
threading.stack_size(131_072)
threading.Thread(target=refuse_deep_headers).start()
"""
LETTERS = string.ascii_letters + string.digits + "-_"
# What tells a careless verifier where to find the key; each would find the attacker's.
KEY_HEADERS: list[dict[str, Any]] = [
    {"jwk": {"kty": "oct", "k": segment(b"k" * 40), "alg": "HS256"}},
    {"jku": "https://evil.example/jwks.json"},
    {"x5u": "https://evil.example/cert.pem"},
    {"x5c": ["MIIB"]},
    {"kid": "../../../../dev/null"},
    {"kid": "' UNION SELECT 'k"},
    {"typ": "at+jwt"},
    {"typ": "application/AT+jwt"},
    {"typ": None, "cty": "JWT"},
]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD_HEADERS.items() for value in values],
    ids=lambda value: ascii(value)[:24],
)
def test_bad_header(name: str, value: object) -> None:
    """A right signature does not help a header that is wrong, nor does an empty one with `alg` none."""
    text = jws(claims(), {"alg": "HS256", "typ": "JWT", name: value})
    refuse(text)
    refuse(text.rpartition(".")[0] + ".")


def test_payload_that_is_elsewhere() -> None:
    """The detached and the unencoded payload of RFC 7797 are not what a bearer token may have."""
    text = jws(claims(), {"alg": "HS256", "b64": False, "crit": ["b64"]})
    head, _, signature = text.split(".")
    refuse(text)
    refuse(f"{head}..{signature}")
    refuse(jws(b"", {"alg": "HS256", "b64": False, "crit": ["b64"]}))


@pytest.mark.parametrize("header", KEY_HEADERS, ids=str)
def test_header_that_points_to_a_key(header: dict[str, Any]) -> None:
    """It is ignored: the token of our key is taken, that of the attacker's is not (RFC 8725 section 3.10)."""
    assert verifier().verify(jws(claims(), {"alg": "HS256", **header})) == MEMBER
    refuse(jws(claims(), {"alg": "HS256", **header}, secret="k" * 40))


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
@pytest.mark.parametrize(
    "change", [str, str.strip, lambda text: text.replace("\n", "\r\n")], ids=["PEM", "stripped", "CRLF"]
)
def test_public_key_taken_for_a_secret(kind: str, change: Callable[[str], str]) -> None:
    """HS256 with the public key as the secret, which everybody has (RFC 8725 section 2.1)."""
    algorithm = {"RSA": "RS256", "P-256": "ES256", "Ed25519": "EdDSA"}[kind]
    text = jws(claims(), {"alg": "HS256"}, secret=change(pem(kind)))
    refuse(text, verifier(pem(kind), algorithms=(algorithm,)))


@pytest.mark.parametrize(
    ("signed", "configured"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS512"), ("RS256", "HS256")]
)
def test_only_the_configured_algorithm(signed: str, configured: str) -> None:
    """The right key does not help a token of another algorithm."""
    key = SECRET if configured == "HS256" else pem("RSA")
    text = jwt.encode(claims(), private_key("RSA"), algorithm=signed)
    refuse(text, verifier(key, algorithms=(configured,)))


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 96, 132, 256])
@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "RS256", "PS256", "EdDSA"])
def test_signature_of_zeros(algorithm: str, size: int) -> None:
    """Zeros once verified everything with ECDSA (CVE-2022-21449); odd sizes are no signatures either."""
    signed = jws(claims(), {"alg": algorithm}).rpartition(".")[0]
    refuse(f"{signed}.{segment(bytes(size))}", verifier(pem(KINDS[algorithm]), algorithms=(algorithm,)))


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"\xff",
        b"[" * 3000,
        b'{"a":' * 600,
        b"\xef\xbb\xbf{}",
        b"{} {}",
    ],
    ids=repr,
)
def test_part_that_is_no_object(part: bytes) -> None:
    """Neither as the header nor as the payload, however well it is signed."""
    refuse(jws(claims(), part))
    refuse(jws(part, {"alg": "HS256"}))


@pytest.mark.parametrize(
    "more",
    ['"sub": "one-of-another-company"', '"exp": 1', '"other": {"a": 1, "a": 2}', '"other": NaN', r'"a": "\ud800"'],
)
def test_claims_that_can_be_read_in_two_ways(more: str) -> None:
    """A name given twice has its last value here and may have its first elsewhere (RFC 7519 section 4)."""
    good = json.dumps(claims())
    assert verifier().verify(jws(good.encode(), {"alg": "HS256"})) == MEMBER
    refuse(jws(f"{{{more}, {good[1:]}".encode(), {"alg": "HS256"}))


@pytest.mark.parametrize("header", ['{"alg": "none", "alg": "HS256"}', '{"alg": "HS256", "kid": "a", "kid": "b"}'])
def test_a_header_that_can_be_read_in_two_ways(header: str) -> None:
    """The same of the header (RFC 7515 section 4)."""
    refuse(jws(claims(), header.encode()))


def test_no_header_takes_a_deep_stack() -> None:
    """Anybody can send one; Python's decoder ends the process where its own limit takes more than a thread has."""
    command = [sys.executable, "-c", ON_A_SMALL_STACK]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.stdout.split(), ended.returncode) == (["refused"] * 2, 0)


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_only_one_spelling_of_a_signature(algorithm: str) -> None:
    """Bits that base64url has left over must be zero (RFC 4648 section 3.5): no token has a second spelling."""
    good, checker = signed(algorithm), checker_of(algorithm)
    others = {good[:-1] + letter for letter in LETTERS} - {good}
    assert checker.verify(good) == MEMBER
    assert len([text for text in others if signature(text) == signature(good)]) in {3, 15}
    for text in others:
        refuse(text, checker)


def signature(text: str) -> bytes:
    """What a reader who does not care makes of it."""
    return base64.urlsafe_b64decode(text.rpartition(".")[2] + "==")


SHAPES: dict[str, Callable[[str, str, str], str]] = {
    **{f"{text!r}": lambda *_, text=text: text for text in ("", ".", "..", "...", "a", "a.b", "a.b.c", "null")},
    "no signature": lambda h, p, _: f"{h}.{p}",
    "empty signature": lambda h, p, _: f"{h}.{p}.",
    "empty payload": lambda h, _, s: f"{h}..{s}",
    "empty header": lambda _, p, s: f".{p}.{s}",
    "four parts": lambda h, p, s: f"{h}.{p}.{s}.{s}",
    "a JWE": lambda h, p, s: f"{h}.{p}.{s}.{p}.{s}",
    "a point at the end": lambda h, p, s: f"{h}.{p}.{s}.",
    "a point before": lambda h, p, s: f".{h}.{p}.{s}",
    "twice": lambda h, p, s: f"{h}.{p}.{s}{h}.{p}.{s}",
    "two with a comma": lambda h, p, s: f"{h}.{p}.{s},{h}.{p}.{s}",
    "parts exchanged": lambda h, p, s: f"{p}.{h}.{s}",
    "signature cut": lambda h, p, s: f"{h}.{p}.{s[:-1]}",
    "payload cut": lambda h, p, s: f"{h}.{p[:-1]}.{s}",
    "header cut": lambda h, p, s: f"{h[:-1]}.{p}.{s}",
    "padding in the header": lambda h, p, s: f"{h}=.{p}.{s}",
    "padding in the payload": lambda h, p, s: f"{h}.{p}=.{s}",
    "too much padding": lambda h, p, s: f"{h}.{p}.{s}==",
    "JSON for the parts": lambda h, p, s: json.dumps({"protected": h, "payload": p, "signature": s}),
    "another scheme": lambda h, p, s: f"Bearer {h}.{p}.{s}",
    "8193 characters": lambda h, p, s: f"{h}.{p}.{s}".ljust(8193, "A"),
    "letter case": lambda h, p, s: f"{h}.{p}.{s.swapcase()}",
    **{f"{odd!r} {where}": lambda *parts, odd=odd, form=form: form.format(".".join(parts), odd)
       for odd in (" ", "\n", "\t", "\0", "é", "\ud800", "+", "%", "\u2028", "A")
       for where, form in (("before", "{1}{0}"), ("after", "{0}{1}"))},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_that_is_no_token(shape: str) -> None:
    """A good token in any other shape than RFC 7515 section 3.1 gives it."""
    refuse(SHAPES[shape](*token().split(".")))
