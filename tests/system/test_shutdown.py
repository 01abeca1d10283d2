"""A deployment cuts nobody off; under load: tests/system/faults."""

import os
import signal
from functools import partial

import pytest

from tests.system.clients import Connection
from tests.system.conftest import Serve, UnderWay
from tests.system.processes import accepts, await_until, children, is_running
from tests.system.scrapes import scrape, tell
from tests.system.servers import READY, Server, gunicorn

pytestmark = pytest.mark.system


def test_readiness_says_draining_until_the_end(serve: Serve, under_way: UnderWay) -> None:
    """From SIGTERM on the listener says so; new connections are refused, and the send under way is answered."""
    server = serve()
    with under_way(server) as end:
        assert tell(server, "/health/ready").document == {"status": "ready", "reasons": [], "workers": 2}
        server.signal(signal.SIGTERM)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        told = tell(server, "/health/ready")
        assert (told.status, told.document["reasons"]) == (503, ["draining"])
        assert tell(server, "/health/live").status == 200
        assert scrape(server).total("draining") == 1
        assert end().status == 200

    assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_readiness_says_draining_also_in_a_quick_stop(
    serve: Serve, under_way: UnderWay, number: signal.Signals
) -> None:
    """A send under way is waited for all the same; meanwhile connections are refused: nobody would take them."""
    server = serve()
    with under_way(server) as end:
        server.signal(number)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        assert tell(server, "/health/ready").document["reasons"] == ["draining"]
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        assert end().status == 200

    assert server.wait() == 0


def test_a_renewal_is_no_reason_to_go_on(serve: Serve, under_way: UnderWay) -> None:
    """SIGTERM counts at once while the workers before SIGHUP still answer, and so does the death of a new one."""
    server = serve(WEB_CONCURRENCY="1")
    with under_way(server) as end:
        server.signal(signal.SIGHUP)
        server.await_booted(2)
        os.kill(server.booted()[1], signal.SIGKILL)
        server.await_booted(3)
        server.signal(signal.SIGTERM)
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        assert end().status == 200

    assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_what_the_master_alone_is_told_ends_nobody_else(
    serve: Serve, under_way: UnderWay, number: signal.Signals
) -> None:
    """A terminal that closes, or `pkill`, tells all processes: the send under way is answered, and none ends."""
    server = serve()
    assert tell(server, "/health/live").status == 200
    with under_way(server) as end:
        before = children(server.process.pid)
        for pid in before:
            os.kill(pid, number)
        assert end().status == 200

    assert tell(server, "/health/live").status == 200
    assert len(before) == 3
    assert children(server.process.pid) == before


def test_a_worn_out_worker_lets_go_when_it_is_told_to_stop(serve: Serve, under_way: UnderWay) -> None:
    """Until then connections wait for the next one; now there is none: they are taken in, later ones refused."""
    server = serve(gunicorn("--max-requests", "2"), WEB_CONCURRENCY="1")
    with under_way(server) as end:
        server.await_events("Autorestarting worker")
        await_until(partial(accepts_nothing, server), lambda: f"still accepts:\n{server.log}")
        with Connection(server.port) as waiting:
            server.signal(signal.SIGTERM)
            assert waiting.ask(READY).status == 503
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        assert end().status == 200

    assert server.wait() == 0


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
