"""A deployment cuts nobody off; under load: tests/system/faults."""

import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.system.behaviours import waits
from tests.system.clients import Connection, ask, sending
from tests.system.conftest import Serve
from tests.system.processes import accepts, await_until, is_running
from tests.system.scrapes import scrape, tell
from tests.system.servers import READY, Server, gunicorn
from tests.system.standins import Services

pytestmark = pytest.mark.system


def test_readiness_says_draining_until_the_end(serve: Serve, services: Services, gate: threading.Event) -> None:
    """From SIGTERM on the listener says so; new connections are refused, and the send under way is answered."""
    services.behaviours["held"] = waits(gate)
    server = serve()
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(ask, server.port, sending(text="held"))
        services.ledger.await_entries(1)
        assert tell(server, "/health/ready").document == {"status": "ready", "reasons": [], "workers": 2}
        server.signal(signal.SIGTERM)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        told = tell(server, "/health/ready")
        assert (told.status, told.document["reasons"]) == (503, ["draining"])
        assert tell(server, "/health/live").status == 200
        assert scrape(server).total("draining") == 1
        gate.set()
        assert held.result().status == 200

    assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_readiness_says_draining_also_in_a_quick_stop(
    serve: Serve, services: Services, gate: threading.Event, number: signal.Signals
) -> None:
    """A send under way is waited for all the same; meanwhile connections are refused: nobody would take them."""
    services.behaviours["held"] = waits(gate)
    server = serve()
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(ask, server.port, sending(text="held"))
        services.ledger.await_entries(1)
        server.signal(number)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        assert tell(server, "/health/ready").document["reasons"] == ["draining"]
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        gate.set()
        assert held.result().status == 200

    assert server.wait() == 0


def test_a_renewal_is_no_reason_to_go_on(serve: Serve, services: Services, gate: threading.Event) -> None:
    """SIGTERM counts at once while the workers before SIGHUP still answer, and so does the death of a new one."""
    services.behaviours["held"] = waits(gate)
    server = serve(WEB_CONCURRENCY="1")
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(ask, server.port, sending(text="held"))
        services.ledger.await_entries(1)
        server.signal(signal.SIGHUP)
        await_until(lambda: len(booted(server)) == 2, lambda: f"no new worker:\n{server.log}")
        os.kill(booted(server)[1], signal.SIGKILL)
        await_until(lambda: len(booted(server)) == 3, lambda: f"not replaced:\n{server.log}")
        server.signal(signal.SIGTERM)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        gate.set()
        assert held.result().status == 200

    assert server.wait() == 0


def test_a_worn_out_worker_lets_go_when_it_is_told_to_stop(
    serve: Serve, services: Services, gate: threading.Event
) -> None:
    """Until then connections wait for the next one; now there is none: they are taken in, later ones refused."""
    services.behaviours["held"] = waits(gate)
    server = serve(gunicorn("--max-requests", "2"), WEB_CONCURRENCY="1")
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(ask, server.port, sending(text="held"))
        services.ledger.await_entries(1)
        server.await_events("Autorestarting worker")
        await_until(partial(accepts_nothing, server), lambda: f"still accepts:\n{server.log}")
        with Connection(server.port) as waiting:
            server.signal(signal.SIGTERM)
            assert waiting.ask(READY).status == 503
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        gate.set()
        assert held.result().status == 200

    assert server.wait() == 0


def booted(server: Server) -> list[int]:
    """Its workers up to now, the oldest first."""
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", server.log)]


def accepts_nothing(server: Server) -> bool:
    """Whether all workers have taken the signal in."""
    return not any(accepts(pid, server.port) for pid in server.pids())


def test_workers_without_a_master_let_go_of_the_address(serve: Serve) -> None:
    """Whoever is connected is told to go, so that a new master finds it free."""
    server = serve()
    workers = server.pids()
    with Connection(server.port) as connection:
        assert connection.ask(READY).status == 200
        server.signal(signal.SIGKILL)
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
    await_until(lambda: not any(map(is_running, workers)), lambda: f"still running:\n{server.log}")
