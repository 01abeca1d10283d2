"""A worker that may open few files."""

import resource
from contextlib import ExitStack

import pytest

from tests.system.clients import Connection, Request, ask, sending
from tests.system.conftest import Serve
from tests.system.processes import accepts, await_until
from tests.system.servers import OURS, Kind
from tests.system.standins import Services

pytestmark = pytest.mark.system

# More clients than files, and less than twice as many as are taken in: the last one waits for one deadline.
FILES, CLIENTS = 256, 280
LIVE = Request("GET", "/health/live")


def _with_few_files(port: int) -> tuple[str, ...]:
    return ("sh", "-c", f'ulimit -n {FILES} && exec "$0" "$@"', *OURS.arguments(port))


def test_a_worker_outlives_more_connections_than_it_may_open_files(serve: Serve) -> None:
    """It takes in as many as leave files for sends; the next ones wait until those have gone, and are answered."""
    server = serve(Kind("gunicorn with few files", _with_few_files, epoll=True), WEB_CONCURRENCY="1", THREADS="8")
    (pid,) = server.pids()
    with Connection(server.port) as first, ExitStack() as held:
        assert first.ask(LIVE).status == 200
        for _ in range(CLIENTS):
            held.enter_context(Connection(server.port)).socket.sendall(b"GET / HT")
        await_until(lambda: not accepts(pid, server.port), lambda: f"takes in more:\n{server.log}")
        assert first.ask(sending()).status == 200
        assert ask(server.port, LIVE).status == 200
    assert server.pids() == [pid]
    assert server.events("Exception in worker process") == []


def test_a_worker_outlives_what_it_cannot_accept(serve: Serve) -> None:
    """It may open no file more for a while: the log says so once, and who waits is answered later."""
    server = serve(WEB_CONCURRENCY="1")
    (pid,) = server.pids()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with Connection(server.port) as waiting:
        server.await_events("connection not accepted")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert waiting.ask(LIVE).status == 200
    assert server.pids() == [pid]
    assert len(server.events("connection not accepted")) == 1


def test_a_send_that_finds_no_file_for_its_connection_is_not_sent(serve: Serve, services: Services) -> None:
    """It is told like a network that is down, and sent when there is a file again."""
    server = serve(WEB_CONCURRENCY="1")
    (pid,) = server.pids()
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with Connection(server.port) as caller:
        # With its account looked up and its store open, a send lacks but a connection to the chat service.
        assert caller.ask(sending(text=" ")).status == 400
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        answer = caller.ask(sending(text="a"))
        assert (answer.status, answer.code) == (500, "CHAT_SERVICE_UNAVAILABLE")
        assert answer.headers["x-send-outcome"] == "not_sent"
        assert services.ledger.entries == []
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert caller.ask(sending(text="a")).headers["x-send-outcome"] == "sent"
    assert [line["reason"] for line in server.log_lines() if line.get("code") == answer.code] == ["unreachable"]
