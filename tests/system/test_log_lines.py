"""The log of real processes: every line is JSON, a request's line has it all, and nobody's secrets are in it."""

import json
import os
import signal
import socket
from typing import Any

import pytest

from tests.people import ACME, CONVERSATION, token
from tests.system.clients import Connection, Request, ask, sending
from tests.system.conftest import Serve, UnderWay
from tests.system.processes import await_until
from tests.system.scrapes import ROUTE, listener, listeners
from tests.system.servers import OURS, PRELOADED, Kind, Server
from tests.system.standins import Services

pytestmark = pytest.mark.system

HEAD = {"time", "level", "logger", "event"}
ALWAYS = HEAD | {
    *("request_id", "trace_id", "span_id", "method", "route", "status", "code", "send_outcome", "reason", "user"),
    *("client", "total_ms", "cpu_ms", "bytes_in", "bytes_out", "worker"),
}
# As far as a request comes.
EVERY = ALWAYS | {
    *("company", "conversation", "auth_ms", "limit_ms", "account_ms", "upstream_ms", "limit", "store", "account"),
    *("attempts", "idempotency_key", "replayed"),
}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def line_of(server: Server, request: Request, request_id: str) -> dict[str, Any]:
    """The one line that a request has, which was answered."""
    headers = {**request.headers, "X-Request-ID": request_id}
    answer = ask(server.port, Request(request.method, request.target, headers, request.body))
    found: list[dict[str, Any]] = []

    def is_here() -> bool:
        found[:] = [line for line in server.events("request") if line["request_id"] == request_id]
        return bool(found)

    await_until(is_here, lambda: f"no line:\n{server.log}")
    (line,) = found
    assert line["status"] == answer.status
    assert line["bytes_out"] == len(answer.body)
    assert ALWAYS <= set(line) <= EVERY
    return line


def what(line: dict[str, Any], *names: str) -> dict[str, Any]:
    """Some of its fields; None for one that it has not."""
    return {name: line.get(name) for name in names}


def test_a_sent_message_has_every_field(serve: Serve, services: Services) -> None:
    """Who, for whom, where the time went, and which worker."""
    server = serve()
    given = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "Idempotency-Key": "a-key-of-mine"}
    request = sending(headers=given)
    line = line_of(server, request, "sent-1")
    assert set(line) == EVERY
    assert what(line, "level", "logger", "event") == {
        "level": "INFO",
        "logger": "app.web.logs",
        "event": "request",
    }
    assert what(line, "method", "route", "status", "code") == {
        "method": "POST",
        "route": ROUTE,
        "status": 200,
        "code": None,
    }
    assert what(line, "send_outcome", "reason", "replayed") == {
        "send_outcome": "sent",
        "reason": "accepted",
        "replayed": False,
    }
    assert what(line, "company", "conversation", "client") == {
        "company": ACME,
        "conversation": CONVERSATION,
        "client": "127.0.0.1",
    }
    assert what(line, "attempts", "account", "limit", "store") == {
        "attempts": 1,
        "account": "asked",
        "limit": "admitted",
        "store": "shared",
    }
    assert line["trace_id"] == TRACE
    assert line["bytes_in"] == len(request.body or b"")
    assert line["worker"] in server.pids()
    stages = [line[f"{stage}_ms"] for stage in ("auth", "limit", "account", "upstream")]
    assert all(taken >= 0 for taken in stages)
    assert sum(stages) <= line["total_ms"]
    assert [entry.request_id for entry in services.ledger.entries] == ["sent-1"]


def test_the_client_is_who_the_trusted_proxies_name(serve: Serve) -> None:
    """What a client says of itself, in front of them, is not believed."""
    claims = {"X-Forwarded-For": "10.6.6.6, 192.0.2.7, 198.51.100.9"}
    line = line_of(serve(TRUSTED_PROXIES="2"), sending(headers=claims), "from-afar")
    assert line["client"] == "192.0.2.7"


@pytest.mark.parametrize("kind", [OURS, PRELOADED], ids=["loaded by workers", "loaded before the fork"])
def test_every_line_of_a_life_is_json(serve: Serve, under_way: UnderWay, kind: Kind) -> None:
    """Start, use, nonsense, a killed worker, a killed listener, SIGHUP, and SIGTERM with a send under way."""
    server: Server = serve(kind, LOG_LEVEL="DEBUG", GUNICORN_CMD_ARGS="--log-level debug")
    bearer = token("a-member-with-a-secret")
    secret = sending(
        text="a text of mine", headers={"Authorization": f"Bearer {bearer}", "Idempotency-Key": "a-key-of-mine"}
    )
    assert [ask(server.port, secret).status for _ in range(2)] == [200, 200]
    for nonsense in (
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01" * 50,
        secret.to_bytes().replace(b"POST", b"PO ST"),
    ):
        with Connection(server.port) as connection:
            connection.socket.sendall(nonsense)
            # Without this, what lacks the end of a head would be waited for.
            connection.socket.shutdown(socket.SHUT_WR)
            connection.socket.recv(1000)
    os.kill(server.pids()[0], signal.SIGKILL)
    os.kill(listener(server), signal.SIGKILL)
    await_until(lambda: len(server.pids()) == 2 and listeners(server), lambda: server.log)
    server.renew()
    with under_way(server) as end:
        server.signal(signal.SIGTERM)
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        assert end().status == 200
    assert server.wait() == 0
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert all(set(line) >= HEAD for line in lines)
    found = [each for each in ("a text of mine", "a-key-of-mine", bearer.split(".")[2]) if each in server.log]
    assert found == []
