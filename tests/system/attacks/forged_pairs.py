"""Tokens against key pairs, by name: of somebody who has what everybody has, the public keys."""

import base64
from collections.abc import Callable
from typing import Any

import jwt

from tests.people import claims
from tests.system.attacks.forgeries import HS, unsigned
from tests.unit.key_servers import jwk
from tests.unit.keys import jws, pem, private_key, segment, signed

# What somebody may take a public key for who signs with it as a secret (RFC 8725 section 2.1).
_AS_SECRET: dict[str, Callable[[str], str | bytes]] = {
    "PEM": str,
    "stripped": str.strip,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "one line": lambda text: "".join(text.splitlines()[1:-1]),
    "DER": lambda text: base64.b64decode("".join(text.splitlines()[1:-1])),
}


def forgeries_of_pairs(trap: str) -> dict[str, str]:
    """Against RS256 and ES256, whose public keys everybody has."""
    secrets = {
        f"{kind}, {name}": change(pem(kind)) for kind in ("RSA", "P-256") for name, change in _AS_SECRET.items()
    }
    own, mine = private_key("another RSA"), jwk("another RSA")
    headers: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": mine},
        "jku": {"jku": trap, "kid": "another RSA"},
        "x5u": {"x5u": trap},
        "x5c": {"x5c": [base64.b64encode(b"certificate").decode()]},
        "none of these": {},
    }
    signing = {alg: jws(claims(), {"alg": alg}).rpartition(".")[0] for alg in ("RS256", "ES256", "PS256")}
    zeros = {"RS256": (0, 1, 256), "ES256": (0, 1, 64, 63, 65, 72)}
    rsa, es = signed("RS256").split("."), signed("ES256").split(".")
    return {
        **{f"none: {alg!r}": unsigned({"alg": alg}) for alg in ("none", "None", "", None)},
        **{f"HS256 with {name}": jws(claims(), HS, secret=secret) for name, secret in secrets.items()},
        **{
            f"their own key in {name}": jwt.encode(claims(), own, algorithm="RS256", headers=more)
            for name, more in headers.items()
        },
        **{
            f"{alg} by the right key": jwt.encode(claims(), private_key("RSA"), algorithm=alg)
            for alg in ("PS256", "RS384", "RS512")
        },
        **{
            f"{alg}, {size} zeros": f"{signing[alg]}.{segment(bytes(size))}"
            for alg, sizes in zeros.items()
            for size in sizes
        },
        "ES384": jwt.encode(claims(), private_key("P-384"), algorithm="ES384"),
        "RS256 with the signature of ES256": ".".join([*rsa[:2], es[2]]),
        "ES256 with the signature of RS256": ".".join([*es[:2], rsa[2]]),
        "ES256, cut": ".".join(es)[:-2],
    }
