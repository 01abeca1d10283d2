"""A chat service that hangs does not stop what needs no chat service."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.behaviours import waits
from tests.system.clients import Request, ask, ask_together, sending
from tests.system.conftest import Serve
from tests.system.servers import OURS, Kind, gunicorn
from tests.system.standins import Services

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("kind", "threads"), [(OURS, "8"), (gunicorn("--threads", "8"), "32")], ids=["setting", "option"]
)
def test_beyond_the_slots_the_answer_comes_at_once(
    serve: Serve, services: Services, gate: threading.Event, kind: Kind, threads: str
) -> None:
    """Of 8 threads 6 may wait, whoever says how many there are: the seventh send is refused, and may be repeated.

    Meanwhile 401, 400 and health are answered; and the six are sent when the chat service wakes up.
    """
    services.behaviours["held"] = waits(gate)
    server = serve(kind, WEB_CONCURRENCY="1", THREADS=threads)
    with ThreadPoolExecutor(1) as callers:
        requests = [sending(f"a-member-{n}", text="held") for n in range(6)]
        held = callers.submit(ask_together, [server.port], requests)
        services.ledger.await_entries(6)

        seventh = ask(server.port, sending("a-member-7"))
        assert (seventh.status, seventh.code) == (500, "OVERLOADED")
        assert seventh.headers["X-Send-Outcome"] == "not_sent"
        assert int(seventh.headers["Retry-After"]) >= 1
        assert ask(server.port, sending(headers={"Authorization": "Bearer x"})).status == 401
        assert ask(server.port, sending("a-member-7", company="x")).status == 400
        assert ask(server.port, Request("GET", "/health/live")).status == 200
        assert ask(server.port, Request("GET", "/health/ready")).status == 200

        gate.set()
        assert [answer.status for answer in held.result()] == [200] * 6
    assert ask(server.port, sending("a-member-7")).status == 200
    assert len(services.ledger.entries) == 7
