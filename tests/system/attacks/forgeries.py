"""Tokens against a secret, by name: of somebody without it, or with it and claims that it should not have."""

import base64
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import jwt

from tests.people import AUDIENCE, ISSUER, SECRET, claims, token
from tests.system.attacks.ground import PREVIOUS
from tests.unit.key_servers import jwk
from tests.unit.keys import jws, private_key, segment

HS = {"alg": "HS256", "typ": "JWT"}
# What the attacker signs with.
OWN = "the attacker's own secret, longer than 32 bytes"
DAY = 86_400
_STRANGE_HEADERS: dict[str, dict[str, Any]] = {
    "crit: exp": {"crit": ["exp"]},
    "crit: unknown": {"crit": ["x"], "x": 1},
    "crit: empty": {"crit": []},
    "b64": {"b64": False, "crit": ["b64"]},
    **{f"typ: {typ}": {"typ": typ} for typ in ("logout+jwt", "dpop+jwt", "JWE", 7)},
}


def unsigned(header: dict[str, Any]) -> str:
    """A token with an empty signature."""
    return jws(claims(), header).rpartition(".")[0] + "."


def forgeries(trap: str) -> dict[str, str]:
    """Against HS256: whoever fetched a key that a token names would connect to `trap`."""
    return {**_without_a_key(trap), **_with_a_wrong_secret(), **_with_the_right_secret(trap), **dict(_shapes())}


def _without_a_key(trap: str) -> dict[str, str]:
    own = jwk("another RSA", use="sig")
    places: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": {"kty": "oct", "k": segment(OWN.encode()), "alg": "HS256"}},
        "jku": {"jku": f"{trap}jwks.json", "kid": "1"},
        "x5u": {"x5u": f"{trap}cert.pem"},
        "x5c": {"x5c": [base64.b64encode(b"certificate").decode()]},
        "jku and jwk": {"jku": trap, "jwk": own},
        "kid: a file": {"kid": "../../../../../../dev/null"},
        "kid: SQL": {"kid": "x' UNION SELECT 'the attacker''s own secret"},
        "kid: a command": {"kid": f"|curl {trap}"},
        "kid: a URL": {"kid": trap},
        "kid: a line break": {"kid": "a\r\nX-Injected: b"},
        "kid: long": {"kid": "k" * 4000},
        "kid: no text": {"kid": {"$ne": None}},
    }
    nothing = {
        f"none: {spelling!r}": unsigned({"alg": spelling})
        for spelling in ("none", "None", "NONE", "nOnE", "none ", "", None, 0, True, ["none"], {"none": 1})
    }
    headless = {"none: no alg": unsigned({"typ": "JWT"}), "none: ALG": unsigned({"ALG": "HS256"})}
    signed_by_them = {name: jws(claims(), HS | place, secret=OWN) for name, place in places.items()}
    blank = {f"{name}, empty key": jws(claims(), HS | places[name], secret="") for name in ("kid: a file", "jku")}
    return {**nothing, **headless, **signed_by_them, **blank}


def _with_a_wrong_secret() -> dict[str, str]:
    wrong = {
        "nothing": "",
        "NUL": "\0",
        "secret": "secret",
        "cut": SECRET[:-1],
        "with a line break": f"{SECRET}\n",
        "in capitals": SECRET.upper(),
        "in base64": base64.b64encode(SECRET.encode()).decode(),
        "previous, cut": PREVIOUS[:-1],
        "previous, with a line break": f"{PREVIOUS}\n",
        "both": SECRET + PREVIOUS,
        "its name": "JWT_SECRET",
    }
    pair = private_key("another RSA")
    return {
        **{f"secret: {name}": jws(claims(), HS, secret=secret) for name, secret in wrong.items()},
        **{f"HMAC as {alg}": jws(claims(), {"alg": alg}) for alg in ("RS256", "ES256", "PS256", "EdDSA", "HS384")},
        **{alg: jwt.encode(claims(), SECRET * 2, algorithm=alg) for alg in ("HS384", "HS512")},
        "RS256 of their own": jwt.encode(claims(), pair, algorithm="RS256", headers={"jwk": jwk("another RSA")}),
    }


def _with_the_right_secret(trap: str) -> dict[str, str]:
    """Signed as it should be: by somebody who can make the issuer sign, or for another purpose."""
    payloads = _strange_payloads()
    return {
        **{
            f"{name}: {value!r:.40}": jws(
                {key: kept for key, kept in {**claims(), name: value}.items() if kept is not None}, HS
            )
            for name, values in _wrong_claims(trap).items()
            for value in values
        },
        **{name: jws(claims(), HS | more) for name, more in _STRANGE_HEADERS.items()},
        **{f"payload: {name}": jws(payload, HS) for name, payload in payloads.items()},
        "header: alg twice": jws(claims(), b'{"alg": "none", "alg": "HS256"}'),
        "header: deep": jws(claims(), payloads["deep"]),
        "zip": jws(payloads["compressed"], HS | {"zip": "DEF"}),
        "cty": jws(payloads["nested"], HS | {"cty": "JWT"}),
    }


def _wrong_claims(trap: str) -> dict[str, list[Any]]:
    """Values of a claim, each of which makes a token worthless; None leaves the claim out."""
    now = int(time.time())
    later = now + 600
    return {
        "iss": [None, "", f"{ISSUER}/", trap, [ISSUER], 1, {}, True],
        "aud": [None, "", "other", f"{AUDIENCE} ", [], [[AUDIENCE]], {AUDIENCE: 1}, 1, True],
        "sub": [None, "", 7, True, ["a-member"], {"$ne": ""}, "a\0b", "a\r\nX-Injected: b", "\ud800"],
        "exp": [None, now - 1, 0, -1, f"{later}", True, [later], float("nan"), float("inf"), now + 2 * DAY],
        "nbf": [later, f"{later}", float("inf"), {}],
        "iat": [later, "now", float("nan"), []],
    }


def _strange_payloads() -> dict[str, bytes]:
    """What is signed, and is not the claims of one user as JSON."""
    good = json.dumps(claims())
    expiry = f"{claims()['exp']}"
    return {
        "exp: 1e400": good.replace(expiry, "1e400").encode(),
        "exp: 10^4000": good.replace(expiry, "1" + "0" * 4000).encode(),
        "a name twice": f'{{"sub": "a-member-else", {good[1:]}'.encode(),
        "UTF-16": good.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "compressed": zlib.compress(good.encode()),
        "nested": token().encode(),
        "a list": f"[{good}]".encode(),
        "deep": b"[" * 3000,
        "nothing": b"",
    }


def _shapes() -> Iterator[tuple[str, str]]:
    """A good token of the right secret that is written in a way of its own."""
    good = token()
    head, payload, signature = good.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 43 letters have two bits more than 32 bytes: a careless reader takes this for the same signature.
    spare = signature[:-1] + letters[letters.index(signature[-1]) ^ 1]
    yield "shape: spare bits", f"{head}.{payload}.{spare}"
    yield "shape: padded", good + "="
    yield "shape: padded head", f"{head}=.{payload}.{signature}"
    yield (
        "shape: other alphabet",
        good.replace("-", "+").replace("_", "/") + ("" if "-" in good or "_" in good else "/"),
    )
    yield "shape: cut", good[:-1]
    yield "shape: no signature", f"{head}.{payload}"
    yield "shape: empty signature", f"{head}.{payload}."
    yield "shape: signature of zeros", f"{head}.{payload}.{segment(bytes(32))}"
    yield "shape: empty payload", f"{head}..{signature}"
    yield "shape: exchanged", f"{payload}.{head}.{signature}"
    yield "shape: four parts", f"{good}.{signature}"
    yield (
        "shape: a JWE",
        f"{segment(json.dumps({'alg': 'dir', 'enc': 'A256GCM'}).encode())}..{payload}.{payload}.{head}",
    )
    yield "shape: JSON", json.dumps({"protected": head, "payload": payload, "signature": signature})
    yield "shape: inner space", f"{head}. {payload}.{signature}"
    yield "shape: letter of another script", good.replace("e", "\u0435", 1)
    yield "shape: long", f"{head}.{payload}.{signature}".ljust(8193, "A")
    yield "shape: very long", jws({**claims(), "pad": "x" * 20_000}, HS)
    yield "shape: no base64", f"{head}.{payload}!.{signature}"
    yield "shape: dots", "." * 2000
    yield "shape: case", f"{head}.{payload}.{signature.swapcase()}"
