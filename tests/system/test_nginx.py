"""nginx in front, with the site of docs/operating: what the service gets, and callers when it is not there."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.people import CONVERSATION
from tests.system.behaviours import http_answer, waits
from tests.system.clients import Answer, Connection, Request, ask, ask_together, sending
from tests.system.conftest import Serve
from tests.system.faults.oracles import ERROR_FIELDS
from tests.system.listeners import Listener, Received
from tests.system.processes import await_until
from tests.system.proxies import Nginx, require
from tests.system.standins import Services
from tests.unit.stores.servers import free_port
from tests.unit.upstream.peers import Caller

pytestmark = pytest.mark.system

Front = Callable[..., Nginx]


class Instance:
    """What stands for the service: keeps what it gets, and answers `{}` or as told."""

    def __init__(
        self, answer: Callable[[Caller], None] = lambda caller: caller.send(http_answer(200, {}))
    ) -> None:
        self.received: list[Received] = []
        self._answer = answer
        self.listener = Listener(self._respond)
        self.port = self.listener.port

    def _respond(self, caller: Caller, request: Received) -> None:
        self.received.append(request)
        self._answer(caller)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is entered here is left when the test is over, the last one first."""
    with ExitStack() as running:
        yield running


@pytest.fixture
def front(stack: ExitStack, tmp_path: Path) -> Front:
    """Start an nginx in front of these ports."""
    require()
    numbers = count()
    return lambda *ports: stack.enter_context(Nginx(tmp_path / f"nginx-{next(numbers)}", ports))


@pytest.fixture
def instance(stack: ExitStack) -> Instance:
    running = Instance()
    stack.enter_context(running.listener)
    return running


def from_address(address: str, port: int, request: Request) -> None:
    """Send the request from this address of loopback, and wait for its answer."""
    with socket.create_connection(("127.0.0.1", port), source_address=(address, 0)) as connection:
        connection.sendall(request.to_bytes())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_address_of_the_client_arrives(front: Front, instance: Instance) -> None:
    """Alone, and in place of whatever the client says about itself."""
    claims = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X_Forwarded_For": "192.0.2.1"}
    from_address("127.0.0.2", front(instance.port).port, sending(headers={**claims, "X-Forwarded-Proto": "https"}))
    (received,) = instance.received
    assert received.headers["x-forwarded-for"] == "127.0.0.2"
    assert received.headers["x-forwarded-proto"] == "http"
    assert "192.0.2.1" not in str(received.headers)


def test_the_request_arrives_whole(front: Front, instance: Instance) -> None:
    """With its id, key, trace and a token of 12 KB; an id that the service would not take is replaced."""
    given = {"X-Request-ID": "caller-1", "Idempotency-Key": '"k"', "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    nginx = front(instance.port)
    ask(nginx.port, sending(headers={**given, "Authorization": f"Bearer {'x' * 12_000}"}))
    ask(nginx.port, sending(headers={"X-Request-ID": 'no"id'}))
    whole, replaced = instance.received
    assert {name: whole.headers[name.lower()] for name in given} == given
    assert len(whole.headers["authorization"]) == 12_007
    assert whole.document == {"message_body": "Hello"}
    assert len(replaced.headers["x-request-id"]) == 32
    await_until(lambda: len(nginx.lines()) == 2, lambda: nginx.errors)
    assert [line["request_id"] for line in nginx.lines()] == ["caller-1", replaced.headers["x-request-id"]]


def test_the_access_log_holds_no_secret(front: Front, instance: Instance) -> None:
    """Neither the query string nor the token."""
    nginx = front(instance.port)
    path = f"/v1/send-message/a/{CONVERSATION}"
    ask(nginx.port, Request("POST", f"{path}?token=canary", {"Authorization": "Bearer canary"}, b"{}"))
    await_until(nginx.lines, lambda: nginx.errors)
    assert nginx.lines()[0]["path"] == path
    assert "canary" not in str(nginx.lines())


def test_the_access_log_is_json_whatever_is_asked_for(front: Front, instance: Instance) -> None:
    """Paths are decoded, and `escape=json` lets through what is not UTF-8: one line of it stops a shipper."""
    nginx = front(instance.port)
    for target in ("/v1/%e4%ff", "/v1/%22%0d%0a", "/v1"):
        ask(nginx.port, Request("GET", target))
    await_until(lambda: len(nginx.lines()) == 3, lambda: nginx.errors)
    assert [line["path"] for line in nginx.lines()] == ["/", "/", "/v1"]


def test_slow_clients_hold_nothing(front: Front, instance: Instance) -> None:
    """50 whose bodies are halfway have no connection to the service yet; each gets its answer in the end."""
    nginx = front(instance.port)
    request = sending(text="x" * 10_000).to_bytes()
    with ExitStack() as clients:
        slow = [clients.enter_context(Connection(nginx.port)) for _ in range(50)]
        for client in slow:
            client.socket.sendall(request[:5_000])
        assert ask(nginx.port, sending()).status == 200
        assert len(instance.received) == 1
        assert len(instance.listener._connections) <= 1
        assert {client.exchange(request[5_000:]).status for client in slow} == {200}
    assert len(instance.received) == 51


def breaks_off(caller: Caller) -> None:
    caller.send(http_answer(200, {})[:20])
    caller.close()


@pytest.mark.parametrize("way", [Caller.close, Caller.reset, breaks_off])
def test_no_post_is_sent_twice(stack: ExitStack, front: Front, way: Callable[[Caller], None]) -> None:
    """Of two instances one fails while it has the request: the other never sees it, the outcome is unknown."""
    both = [Instance(way), Instance(way)]
    nginx = front(*(stack.enter_context(one.listener).port for one in both))
    answer = ask(nginx.port, sending(headers={"X-Request-ID": "caller-1"}))
    assert sum(len(one.received) for one in both) == 1
    hold_error(answer, "SEND_OUTCOME_UNKNOWN", "unknown", None)


def hold_error(answer: Answer, code: str, outcome: str, wait: str | None) -> None:
    """The service's own error object and headers."""
    assert (answer.status, answer.code) == (500, code)
    document, headers = answer.document, answer.headers
    assert set(document) == ERROR_FIELDS
    assert document["send_outcome"] == headers["X-Send-Outcome"] == outcome
    assert document["request_id"] == headers["X-Request-ID"] == "caller-1"
    assert document["path"] == sending().target
    assert document["timestamp"].endswith("Z")
    assert headers["Retry-After"] == wait
    assert headers.get_all("Content-Type") == ["application/json"]
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_an_instance_that_is_gone_costs_nothing(front: Front, instance: Instance) -> None:
    """A refused connection has carried nothing: each POST goes to the other instance."""
    nginx = front(free_port(), instance.port)
    answers = ask_together([nginx.port], [sending()] * 20)
    assert {answer.status for answer in answers} == {200}
    assert len(instance.received) == 20


def test_nobody_there(front: Front) -> None:
    """Proved not sent, however many instances were tried; on other paths nginx says it in its own words."""
    nginx = front(free_port(), free_port())
    hold_error(ask(nginx.port, sending(headers={"X-Request-ID": "caller-1"})), "OVERLOADED", "not_sent", "1")
    assert ask(nginx.port, Request("GET", "/v1")).status == 502


def test_what_the_service_says_is_passed_on(serve: Serve, front: Front) -> None:
    """A send, and errors with their headers; nginx refuses a body over a megabyte as the service does others."""
    nginx = front(serve(MAX_BODY_BYTES="65536", WEB_CONCURRENCY="1").port)
    sent = ask(nginx.port, sending())
    assert (sent.status, sent.headers["X-Send-Outcome"], sent.headers["X-RateLimit-Limit"]) == (200, "sent", "30")
    assert ask(nginx.port, sending(headers={"Authorization": "Bearer x"})).headers["WWW-Authenticate"]
    large = [ask(nginx.port, sending(text="x" * letters)) for letters in (65_536, 900_000, 1_100_000)]
    assert [(answer.status, answer.code) for answer in large] == [(400, "BODY_TOO_LARGE")] * 3
    assert {answer.headers["X-Send-Outcome"] for answer in large} == {"not_sent"}
    assert [set(answer.document) for answer in large] == [ERROR_FIELDS | {"status"}] * 3


def test_an_instance_that_is_killed(serve: Serve, front: Front, services: Services, gate: threading.Event) -> None:
    """One of two dies with sends under way: those are unknown, the others sent, and none was sent twice."""
    services.behaviours["held"] = waits(gate)
    servers = [serve(WEB_CONCURRENCY="1"), serve(WEB_CONCURRENCY="1")]
    nginx = front(*(server.port for server in servers))
    with ThreadPoolExecutor(8) as callers:
        under_way = [
            callers.submit(partial(ask, nginx.port, sending(f"a-member-{n}", text="held"))) for n in range(8)
        ]
        services.ledger.await_entries(8)
        os.killpg(servers[0].process.pid, signal.SIGKILL)
        servers[0].process.wait()
        gate.set()
        outcomes = {answer.result().headers["X-Send-Outcome"] for answer in under_way}
    assert outcomes == {"unknown", "sent"}
    assert len(services.ledger.entries) == 8
