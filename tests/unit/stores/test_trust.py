"""Whose certificates a store's connections believe."""

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from app.stores.redis.connections import Trust
from tests.unit.stores.opened import open_store
from tests.unit.upstream.certificates import Authority


def test_the_authorities_are_read_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes 40 ms of CPU; in a burst on a new worker all calls would be late for it."""
    trust = Trust(None)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)
    assert trust.context.verify_mode == ssl.CERT_REQUIRED


def test_an_authority_that_is_named_counts_alone(tmp_path: Path) -> None:
    """Whoever names one for their Valkey does not mean all that the system knows besides."""
    (known,) = Trust(Authority(tmp_path).bundle).context.get_ca_certs()
    assert known["subject"] == known["issuer"]


@pytest.mark.parametrize(
    "make", [lambda _: None, Path.touch, Path.mkdir], ids=["none", "an empty file", "a folder"]
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """It would be a lost store for ever; the sentence repeats nothing of the URL, which may have a password."""
    make(tmp_path / "hunter2")
    with pytest.raises(ValueError, match=r"^ssl_ca_certs: Not a readable file of certificates\.$"):
        open_store(f"rediss://cache?ssl_ca_certs={quote(f'{tmp_path}/hunter2', safe='')}")
