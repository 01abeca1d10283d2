"""The listener of METRICS_BIND: a process beside the workers that is there whenever their master is."""

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.system.clients import Answer, Connection, Request, ask, sending
from tests.system.conftest import Serve
from tests.system.processes import await_until, is_running
from tests.system.scrapes import ROUTE, folder, listener, listeners, scrape, send, sent, tell
from tests.system.servers import OURS, PLAIN, PRELOADED, WAITRESS, Kind, Server, gunicorn, served
from tests.system.standins import Services

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    """For those who ask and leave everything as it is."""
    with Services() as services, served(services) as server:
        yield server


@pytest.mark.parametrize("kind", [OURS, PRELOADED], ids=["loaded by workers", "loaded before the fork"])
def test_all_workers_are_counted_as_one(serve: Serve, kind: Kind) -> None:
    """What each of them answered is in one total."""
    server = serve(kind)
    for pid in server.pids():
        with server.connect_to(pid) as connection:
            assert connection.ask(sending(f"a-member-{pid}")).status == 200
    seen = scrape(server)
    assert not list(folder(server).glob(f"*_{listener(server)}.db")), "the listener counts itself as one of them"
    assert seen.total("sends_total", outcome="sent", reason="accepted") == 2
    assert seen.total("requests_total", route=ROUTE, method="POST", status="200", code="none") == 2
    assert seen.total("stage_seconds_count", route=ROUTE, stage="total") == 2


def test_workers_of_another_class_are_counted_too(serve: Serve) -> None:
    """`worker_class = "gthread"` is the way back (docs/adr/0004-worker.md): no probe may take it for a failure."""
    server = serve(gunicorn("--worker-class", "gthread"))
    await_until(lambda: scrape(server).total("workers") == 2, lambda: f"not two workers:\n{server.log}")
    assert tell(server, "/health/ready").status == 200


def test_an_address_that_is_taken_stops_the_start(prepare: Serve) -> None:
    """One message names the setting; no worker has been started, and the port of the service stays free."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server: Server = prepare(METRICS_BIND=f"127.0.0.1:{other.getsockname()[1]}")
        server.launch()
        assert server.wait() != 0
    assert server.log.count("METRICS_BIND") == 1
    assert "Traceback" not in server.log
    assert "Booting worker" not in server.log
    assert server.is_free()


def test_a_killed_listener_is_back_and_keeps_the_totals(serve: Serve) -> None:
    """Also those of a worker that was killed while there was no listener."""
    server = serve()
    send(server, 5)
    before, old, workers = scrape(server), listener(server), server.pids()
    os.kill(old, signal.SIGKILL)
    os.kill(workers[0], signal.SIGKILL)
    await_until(lambda: [pid for pid in listeners(server) if pid != old], lambda: f"no listener:\n{server.log}")
    await_until(lambda: workers[0] not in server.pids() and len(server.pids()) == 2, lambda: server.log)
    assert scrape(server).fallen_since(before) == []
    assert sent(server) == 5
    assert tell(server, "/health/live").status == 200
    assert len(listeners(server)) == 1


def test_clients_that_are_slow_hold_up_nobody(running: Server) -> None:
    """A hundred say nothing or half a request, and fifty never read what they asked for."""
    with ExitStack() as clients:
        for number in range(150):
            connection = clients.enter_context(Connection(running.metrics_port))
            connection.socket.sendall((b"", b"GET /metr", Request("GET", "/metrics").to_bytes() * 20)[number % 3])
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert {tell(running, path).status for _ in range(10)} == {200}


def test_the_rest_of_http(running: Server) -> None:
    """HEAD has no body, other paths and methods are refused in JSON, nonsense stops nothing."""
    for path in ("/metrics", "/health/live", "/health/ready"):
        head = tell(running, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
    assert tell(running, "/metrics").headers["Content-Type"].startswith("text/plain; version=")
    assert tell(running, "/metrics?name[]=x").status == 200
    for path in ("/", "/v1", "/metrics/", "/%2e%2e/etc/passwd"):
        answer = tell(running, path)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
        assert isinstance(answer.document, dict)
    posted = tell(running, "/metrics", "POST")
    assert (posted.status, posted.headers["Allow"], posted.code) == (405, "GET, HEAD", "METHOD_NOT_ALLOWED")
    for nonsense in (b"\0" * 100, b"GET /metrics HTTP/9.9\r\n\r\n", b"GET " + b"x" * 200_000, b"\r\n" * 1000):
        with Connection(running.metrics_port) as connection:
            connection.socket.sendall(nonsense)
    assert tell(running, "/health/ready").document == {"status": "ready", "reasons": [], "workers": 2}


def test_the_port_of_the_service_has_no_metrics(running: Server) -> None:
    """They are for whoever may reach METRICS_BIND."""
    assert ask(running.port, Request("GET", "/metrics")).status == 404


def test_without_workers_nobody_is_ready(serve: Serve) -> None:
    """All are dead, and the master can start no others for now: it may open no file."""
    server, told = serve(), list[Answer]()
    assert tell(server, "/health/ready").status == 200
    master = server.process.pid
    limits = resource.prlimit(master, resource.RLIMIT_NOFILE)
    resource.prlimit(master, resource.RLIMIT_NOFILE, (3, limits[1]))
    for pid in server.pids():
        os.kill(pid, signal.SIGKILL)

    def is_unready() -> bool:
        told.append(tell(server, "/health/ready"))
        return told[-1].status == 503

    await_until(is_unready, lambda: f"still ready:\n{server.log}")
    assert told[-1].document == {"status": "not ready", "reasons": ["no worker is running"], "workers": 0}
    assert tell(server, "/health/live").document == {"status": "ok"}
    resource.prlimit(master, resource.RLIMIT_NOFILE, limits)
    await_until(lambda: tell(server, "/health/ready").status == 200, lambda: f"not ready again:\n{server.log}")


def test_it_ends_with_its_master(serve: Serve) -> None:
    """Also with one that was killed."""
    server = serve()
    pid = listener(server)
    server.signal(signal.SIGKILL)
    await_until(lambda: not is_running(pid), lambda: f"the listener lives on:\n{server.log}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_nothing_is_left_behind(serve: Serve, number: signal.Signals) -> None:
    """When the master has ended, so has the listener, and the folder of the metrics is gone."""
    server = serve()
    pid, files = listener(server), folder(server)
    server.signal(number)
    assert server.wait() == 0
    await_until(lambda: not is_running(pid), lambda: f"the listener lives on:\n{server.log}")
    await_until(lambda: not files.exists(), lambda: f"{files} is left")


def test_services_beside_each_other_count_for_themselves(serve: Serve) -> None:
    """Each has its listener, its folder and its totals."""
    one, other = serve(), serve()
    send(one, 2)
    send(other, 3)
    assert (sent(one), sent(other)) == (2, 3)
    assert folder(one) != folder(other)


@pytest.mark.parametrize("kind", [PLAIN, WAITRESS], ids=lambda kind: kind.name)
def test_other_servers_have_no_listener(serve: Serve, kind: Kind) -> None:
    """The service itself runs as ever."""
    server = serve(kind)
    send(server, 1)
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", server.metrics_port)) != 0


def test_it_finds_its_code_as_gunicorn_does(serve: Serve) -> None:
    """Also where Python is told not to look in the current folder (PYTHONSAFEPATH)."""
    server = serve(PYTHONSAFEPATH="1")
    assert tell(server, "/health/ready").status == 200
    assert server.events("listener ended") == []


@pytest.mark.parametrize("version", ["a.b", "1.0.0.0", "²", "9.9"])
def test_an_odd_format_is_answered_in_the_usual_one(running: Server, version: str) -> None:
    """Nothing is wrong with the metrics when a scraper asks for them oddly, and nothing else is told."""
    accepted = {"Accept": f"application/openmetrics-text;version={version}"}
    answer = ask(running.metrics_port, Request("GET", "/metrics", accepted))

    assert answer.status == 200
    assert b"send_message_workers" in answer.body
    assert "Python" not in answer.headers["Server"]
    assert "listener cannot answer" not in running.log
