"""Keys of every kind that tokens are signed with, each made once, and tokens that say anything."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.errors import UnauthorizedError
from app.principals import User
from app.tokens.keys import FixedKeys
from app.tokens.verifier import TokenVerifier
from tests.people import AUDIENCE, ISSUER, SECRET, claims

MEMBER = User(ISSUER, "a-member")
# The kind of key that each algorithm takes.
KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
}
_MAKERS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "another RSA": lambda: rsa.generate_private_key(65537, 2048),
    "weak RSA": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


@cache
def private_key(kind: str) -> Any:
    """The one key of this kind."""
    return _MAKERS[kind]()


def pem(kind: str) -> str:
    """Its public half."""
    public = private_key(kind).public_key()
    text: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def private_pem(kind: str, password: bytes | None = None) -> str:
    """The half that nobody but the issuer should have."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    text: bytes = private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return text.decode()


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jws(payload: object, header: object, *, secret: str | bytes = SECRET) -> str:
    """A well-signed compact JWS (HS256) of these documents; bytes stand as they are."""
    documents = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signed = ".".join(segment(document) for document in documents)
    key = secret if isinstance(secret, bytes) else secret.encode()
    return f"{signed}.{segment(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def verifier(
    *texts: str,
    algorithms: tuple[str, ...] = ("HS256",),
    max_lifetime: float | None = None,
    clock: Callable[[], float] = time.time,
) -> TokenVerifier:
    """A verifier with these keys, or with that of the tests."""
    keys = FixedKeys.from_texts(texts or [SECRET], algorithms)
    return TokenVerifier(
        keys,
        algorithms=algorithms,
        issuer=ISSUER,
        audience=AUDIENCE,
        max_lifetime=max_lifetime,
        clock=clock,
    )


def signed(algorithm: str) -> str:
    """A good token of this algorithm."""
    key = private_key(KINDS[algorithm]) if algorithm in KINDS else SECRET
    return jwt.encode(claims(), key, algorithm=algorithm)


def checker_of(algorithm: str) -> TokenVerifier:
    """A verifier of such tokens."""
    return verifier(pem(KINDS[algorithm]) if algorithm in KINDS else SECRET, algorithms=(algorithm,))


class Verifying(Protocol):
    """What verifies tokens."""

    def verify(self, text: str, /) -> User:
        """The user, or UnauthorizedError."""


def refuse(text: str, checker: Verifying | None = None) -> None:
    """Hold that the token is answered 401, and that nothing else is raised."""
    with pytest.raises(UnauthorizedError) as caught:
        (checker or verifier()).verify(text)
    assert caught.value.presented is True
