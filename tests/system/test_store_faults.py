"""A store that fails in the midst of a send, answers nonsense or holds what nobody can read."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, cast

import pytest

from tests.people import CONVERSATION
from tests.system.behaviours import waits
from tests.system.clients import Answer, ask, sending, together
from tests.system.conftest import Serve
from tests.system.servers import READY
from tests.system.standins import Services
from tests.unit.stores.servers import Server as Valkey
from tests.unit.stores.servers import tell

pytestmark = pytest.mark.system

LOST, BACK = "store lost", "store back"
BACK_WITHIN_SECONDS = 35


class Nonsense(BaseRequestHandler):
    """Answers whatever it is told with an array in an array, and so on."""

    def handle(self) -> None:
        """Until the client goes."""
        with contextlib.suppress(ConnectionError):
            while self.request.recv(65536):
                self.request.sendall(b"*1\r\n" * 2000)


def what(answer: Answer) -> tuple[int, str | None, str]:
    """Status, code and outcome."""
    return answer.status, answer.code, answer.headers["X-Send-Outcome"]


def test_a_claim_whose_answer_was_lost_is_given_back(
    serve: Serve, services: Services, valkey: Valkey, valkey_url: str
) -> None:
    """The server stops between the limit and the claim, and stores the claim when it goes on."""

    class Pausing(dict[str, list[dict[str, Any]]]):
        def get(self, *wanted: Any) -> Any:
            valkey.pause()
            return super().get(*wanted)

    server = serve(STORE_URL=valkey_url, WEB_CONCURRENCY="1")
    # The server knows the script of a claim from now on.
    ask(server.port, sending("a-member-before", headers={"Idempotency-Key": "key"}))
    services.accounts = Pausing(services.accounts)
    keyed = sending(headers={"Idempotency-Key": "key"})
    refused = ask(server.port, keyed)
    valkey.resume()
    server.await_events(BACK, seconds=BACK_WITHIN_SECONDS)

    assert what(refused) == (500, "IDEMPOTENCY_UNAVAILABLE", "not_sent")
    assert [what(ask(server.port, keyed)) for _ in range(2)] == [(200, None, "sent")] * 2
    assert len(services.ledger.entries) == 2


def test_a_claim_that_is_forgotten_during_its_send_is_sent_once(
    serve: Serve, services: Services, gate: threading.Event, valkey: Valkey, valkey_url: str
) -> None:
    """The server comes back empty; who made the send records how it ended, and repeats get its answer."""
    server = serve(STORE_URL=valkey_url, WEB_CONCURRENCY="1")
    services.behaviours[CONVERSATION] = waits(gate)
    keyed = sending(headers={"Idempotency-Key": "key"})

    def forget() -> Answer:
        services.ledger.await_entries(1)
        valkey.kill()
        valkey.start()
        gate.set()
        return ask(server.port, READY)

    calls: list[Callable[[], Answer]] = [partial(ask, server.port, keyed), forget]
    first, _ = together(calls)
    repeated = ask(server.port, keyed)

    assert [what(first), what(repeated)] == [(200, None, "sent")] * 2
    assert (repeated.headers["Idempotent-Replayed"], repeated.body) == ("true", first.body)
    assert len(services.ledger.entries) == 1


def test_a_store_that_talks_nonsense_is_lost(serve: Serve) -> None:
    """Sends without a key go on, and those with one are refused, whatever redis-py makes of the replies."""
    with ThreadingTCPServer(("127.0.0.1", 0), Nonsense) as nonsense, ThreadPoolExecutor(1) as pool:
        serving = pool.submit(nonsense.serve_forever)
        server = serve(STORE_URL=f"redis://127.0.0.1:{nonsense.server_address[1]}", WEB_CONCURRENCY="1")
        answers = [ask(server.port, sending(headers=headers)) for headers in ({}, {"Idempotency-Key": "key"})]
        nonsense.shutdown()
        serving.result()

    assert [what(answer) for answer in answers] == [
        (200, None, "sent"),
        (500, "IDEMPOTENCY_UNAVAILABLE", "not_sent"),
    ]
    assert "RecursionError" in server.events(LOST)[0]["event"]


def test_a_record_that_cannot_be_read_is_its_users(serve: Serve, valkey: Valkey, valkey_url: str) -> None:
    """The process alone admits them and their key is refused; nobody else notices, and no store is lost."""
    server = serve(STORE_URL=valkey_url, WEB_CONCURRENCY="1")
    keyed = sending(headers={"Idempotency-Key": "key"})
    ask(server.port, keyed)
    for record in cast("list[bytes]", tell(valkey, "KEYS", "send-message:[wk]*")):
        tell(valkey, "DEL", record)
        tell(valkey, "RPUSH", record, "x")

    assert what(ask(server.port, sending())) == (200, None, "sent")
    assert what(ask(server.port, keyed)) == (500, "IDEMPOTENCY_UNAVAILABLE", "not_sent")
    other = sending("a-member-2", headers={"Idempotency-Key": "key"})
    assert what(ask(server.port, other)) == (200, None, "sent")
    assert (server.events("record unreadable") != [], server.events(LOST)) == (True, [])


def test_a_folder_that_is_moved_away_divides_no_workers(serve: Serve, services: Services, tmp_path: Path) -> None:
    """One started afterwards makes a new file: the other goes over to it, and a key is sent once by both."""
    folder = tmp_path / "folder"
    server = serve(STORE_URL=f"sqlite:///{folder}/state.sqlite3")
    one, other = server.pids()
    keyed = sending(headers={"Idempotency-Key": "key"})
    with server.connect_to(other) as at_the_other:
        at_the_other.ask(sending())
        folder.rename(tmp_path / "away")
        os.kill(one, signal.SIGKILL)
        server.await_booted(3)
        server.await_start()
        (new,) = set(server.pids()) - {other}
        with server.connect_to(new) as at_the_new:
            assert what(at_the_new.ask(keyed)) == (200, None, "sent")
        assert what(at_the_other.ask(keyed)) == (500, "IDEMPOTENCY_UNAVAILABLE", "not_sent")
        server.await_events(BACK, seconds=BACK_WITHIN_SECONDS)

    assert [ask(server.port, keyed).headers["Idempotent-Replayed"] for _ in range(4)] == ["true"] * 4
    assert len(services.ledger.entries) == 2
    assert len(server.events(f"{LOST}: FileReplacedError")) == 1
