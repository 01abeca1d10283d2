"""The sandbox's signing key and the tokens made with it."""

import contextlib
import os
import secrets
import tempfile
import time
from pathlib import Path

import jwt

ISSUER = "https://auth.sandbox.test"
AUDIENCE = "send-message-sandbox"


def key_file(var: Path) -> Path:
    """Return the key file, created if missing: 64 characters from 48 random bytes, mode 0600.

    The draft is created with O_EXCL and mode 0600 (tempfile), and linking it fails if the name is taken: two
    sandboxes that start at once read the same, complete key.
    """
    key = var / "sandbox-key"
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not key.exists():
        with tempfile.NamedTemporaryFile("w", dir=var) as draft, contextlib.suppress(FileExistsError):
            draft.write(secrets.token_urlsafe(48))
            draft.flush()
            os.link(draft.name, key)
    return key


def make_token(var: Path, user: str, hours: float = 12) -> str:
    """Return a JWT (RFC 7519) for a user of the sandbox, valid for `hours` from now."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time() + hours * 3600)}
    return jwt.encode(claims, key_file(var).read_text(), algorithm="HS256")
