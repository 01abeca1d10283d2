"""A worker that may open few files."""

import socket
from contextlib import ExitStack

import pytest

from tests.system.clients import Request, ask
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
