"""A store on a server that one test may stop, kill and reconfigure."""

from collections.abc import Iterator

import pytest

from app.stores import Store
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import Server


@pytest.fixture
def store(own_valkey: Server) -> Iterator[Store]:
    """A store on a server of its own."""
    opened = open_store(f"redis://{own_valkey.address}")
    yield opened
    opened.close()
