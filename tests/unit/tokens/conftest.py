"""A key server, and keys that are fetched from it."""

import logging
import threading
from collections.abc import Iterator

import pytest

from tests.unit.key_servers import (
    Fetching,
    KeyServer,
    publishes,
)
from tests.unit.keys import MEMBER
from tests.unit.tokens.fetches import RSA


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server that publishes an RSA key."""
    with KeyServer(publishes("RSA")) as running:
        yield running


@pytest.fixture
def fetching(server: KeyServer) -> Iterator[Fetching]:
    """Keys of the server, on a clock of their own; nothing is fetched before they are used."""
    with Fetching(server.url) as made:
        yield made


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The log with its reasons, whatever other tests have configured."""
    events: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: events.append(  # type: ignore[method-assign] # shorter than a class
        " ".join([record.getMessage(), *filter(None, [vars(record).get("reason")])])
    )
    logger = logging.getLogger("app.tokens.fetched")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield events
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


@pytest.fixture
def loaded(fetching: Fetching, told: list[str]) -> Fetching:  # noqa: ARG001 - the log of this as well
    """The same after its first fetch."""
    assert fetching.verify(RSA) == MEMBER
    fetching.time.advance()
    return fetching


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a server can wait for; it comes with the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()
