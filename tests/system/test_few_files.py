"""A worker that may open few files."""

import resource
import socket
from contextlib import ExitStack

import pytest

from tests.system.clients import Connection, Request, ask
from tests.system.conftest import Serve
from tests.system.processes import PATIENCE
from tests.system.servers import OURS, Kind

pytestmark = pytest.mark.system

FILES, CLIENTS = 256, 400


def _with_few_files(port: int) -> tuple[str, ...]:
    return ("sh", "-c", f'ulimit -n {FILES} && exec "$0" "$@"', *OURS.arguments(port))


def test_a_worker_outlives_more_connections_than_it_may_open_files(serve: Serve) -> None:
    """It takes in as many as it has files for; the next ones wait until those have gone, and are answered."""
    server = serve(Kind("gunicorn with few files", _with_few_files, epoll=True), WEB_CONCURRENCY="1", THREADS="8")
    pids = server.pids()
    with ExitStack() as held:
        for _ in range(CLIENTS):
            client = held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
            client.sendall(b"GET / HT")
        assert ask(server.port, Request("GET", "/health/live")).status == 200
    assert server.pids() == pids
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
        assert waiting.ask(Request("GET", "/health/live")).status == 200
    assert server.pids() == [pid]
    assert len(server.events("connection not accepted")) == 1
