"""A shared store, and what stands in for it while it is lost."""

from collections.abc import Iterator

import pytest

from app.stores.failover import FailoverStore
from tests.unit.stores.shared import NEVER, SOON, Shared


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def store(shared: Shared) -> Iterator[FailoverStore]:
    opened = FailoverStore(shared, processes=4, probe_every=SOON)
    yield opened
    opened.close()


@pytest.fixture
def patient_store(shared: Shared) -> Iterator[FailoverStore]:
    """One that does not notice by itself that the shared store is back."""
    opened = FailoverStore(shared, processes=4, probe_every=NEVER)
    yield opened
    opened.close()
