"""Whose certificates a store's connections believe."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.stores.redis.connections import Trust
from tests.unit.upstream.certificates import Authority


def test_a_context_is_made_once() -> None:
    """To read the trust store takes 40 ms of CPU; in a burst on a new worker all calls would be late for it."""
    trust = Trust(None)
    with ThreadPoolExecutor(8) as threads:
        contexts = list(threads.map(lambda _: trust.context(), range(8)))
    assert len(set(map(id, contexts))) == 1


def test_an_authority_that_is_named_counts_alone(tmp_path: Path) -> None:
    """Whoever names one for their Valkey does not mean all that the system knows besides."""
    (known,) = Trust(Authority(tmp_path).bundle).context().get_ca_certs()
    assert known["subject"] == known["issuer"]
