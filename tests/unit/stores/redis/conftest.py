"""A store on a server that one test may stop, kill and reconfigure, and a place for servers that tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with a short name for the servers that the tests of a file share."""
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        yield Path(name)
