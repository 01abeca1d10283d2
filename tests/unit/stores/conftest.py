"""Stores to test: the same ones in memory, in a file and on a real Valkey."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.stores import Store
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import Server, server


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder with a short name."""
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def valkey(folder: Path) -> Iterator[Server]:
    """A Valkey that all tests share, each with keys of its own."""
    with server(folder / "v") as running:
        yield running


@pytest.fixture
def own_valkey() -> Iterator[Server]:
    """A Valkey that one test may stop and kill."""
    with tempfile.TemporaryDirectory(prefix="stores-") as name, server(Path(name)) as running:
        yield running


@pytest.fixture
def key() -> str:
    return f"user:{uuid4()}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.sqlite3"


@pytest.fixture(params=["sqlite", "redis"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """The URL of each store that processes can share."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return f"redis+unix://{request.getfixturevalue('valkey').socket}"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each store."""
    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
    elif request.param == "redis":
        url = f"redis+unix://{request.getfixturevalue('valkey').socket}"
    else:
        url = "memory://"
    opened = open_store(url)
    yield opened
    opened.close()
