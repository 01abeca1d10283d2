"""Real servers, stand-ins and stores for one test; all of them are gone when it is over."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.system.behaviours import waits
from tests.system.clients import Answer, ask, sending
from tests.system.faults.stage import Stage
from tests.system.processes import ReservedPort
from tests.system.servers import OURS, Kind, Server, settings
from tests.system.standins import Services
from tests.unit.stores.servers import Server as Valkey
from tests.unit.stores.servers import server as valkey_in

Serve = Callable[..., Server]
UnderWay = Callable[[Server], AbstractContextManager[Callable[[], Answer]]]


@pytest.fixture(autouse=True, scope="session")
def linux() -> None:
    """Processes are followed through /proc."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")


@pytest.fixture
def services() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture
def gate(services: Services) -> Iterator[threading.Event]:  # noqa: ARG001 - those who wait end before the stand-ins do
    """An event that stand-ins may wait for; it comes at the latest with the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def under_way(services: Services, gate: threading.Event) -> UnderWay:
    """Have the chat service keep a send for a block, which is given what ends that and returns the answer."""

    @contextmanager
    def hold(server: Server) -> Iterator[Callable[[], Answer]]:
        services.behaviours["held"] = waits(gate)
        entries = len(services.ledger.entries)
        with ThreadPoolExecutor(1) as callers:
            answer = callers.submit(ask, server.port, sending(text="held"))

            def end() -> Answer:
                gate.set()
                return answer.result()

            try:
                services.ledger.await_entries(entries + 1)
                yield end
            finally:
                gate.set()

    return hold


@pytest.fixture
def prepare(services: Services, tmp_path: Path) -> Iterator[Serve]:
    """Make a server that is not started yet: `prepare(kind, SETTING=value, …)`; all share one store."""
    numbers = count()
    with ExitStack() as stack:

        def make(kind: Kind = OURS, **changes: str) -> Server:
            environ = {**settings(services, tmp_path), **changes}
            server = Server(tmp_path / f"server-{next(numbers)}", environ, kind)
            stack.callback(server.close)
            return server

        yield make


@pytest.fixture
def serve(prepare: Serve) -> Serve:
    """Start a server: `serve(kind, SETTING=value, …)`."""
    return lambda kind=OURS, **changes: prepare(kind, **changes).start()


@pytest.fixture
def stopped_valkey() -> Iterator[Valkey]:
    """A Valkey that has its place but does not run yet."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as name, ReservedPort() as port:
        valkey = valkey_in(Path(name))
        # Also while it does not run, nobody else may get its port.
        valkey.port = port.number
        yield valkey
        valkey.kill()


@pytest.fixture
def valkey(stopped_valkey: Valkey) -> Valkey:
    """A Valkey of the test's own."""
    stopped_valkey.start()
    return stopped_valkey


@pytest.fixture
def valkey_url(stopped_valkey: Valkey) -> str:
    return f"redis://{stopped_valkey.address}/0"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage whose choices are the same in every run."""
    # The path of a Unix socket, which Valkey has below it, may not be long.
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stage(Path(folder), seed=1) as running:
        yield running
