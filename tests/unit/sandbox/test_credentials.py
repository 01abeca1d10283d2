"""The sandbox's key and tokens."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from app.sandbox.credentials import AUDIENCE, ISSUER, key_file, make_token


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """48 random bytes in 64 characters, 0600 in a folder of 0700, the same at the next start; no draft."""
    var = tmp_path / "var"
    first = key_file(var).read_text()
    assert len(first) == 64
    assert key_file(var).read_text() == first
    assert [path.name for path in var.iterdir()] == ["sandbox-key"]
    assert stat.S_IMODE(key_file(var).stat().st_mode) == 0o600
    assert stat.S_IMODE(var.stat().st_mode) == 0o700


def test_starts_at_the_same_moment_share_one_whole_key(tmp_path: Path) -> None:
    """Nobody ever reads an empty key or one that is replaced later."""
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: key_file(tmp_path).read_text(), range(64)))
    assert keys == {key_file(tmp_path).read_text()}


def test_a_token_has_the_claims_that_the_service_asks_for(tmp_path: Path) -> None:
    """iss, aud, sub and an exp as many hours away as was asked; signed HS256 with the key."""
    token, key = make_token(tmp_path, "jane", hours=2), key_file(tmp_path).read_text()
    claims = jwt.decode(token, key, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
    assert claims.pop("exp") == pytest.approx(time.time() + 7200, abs=60)
    assert claims == {"iss": ISSUER, "aud": AUDIENCE, "sub": "jane"}


def test_a_token_can_be_made_expired(tmp_path: Path) -> None:
    """Hours below zero lie in the past."""
    token = make_token(tmp_path, "jane", hours=-1)
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, key_file(tmp_path).read_text(), algorithms=["HS256"], audience=AUDIENCE)
