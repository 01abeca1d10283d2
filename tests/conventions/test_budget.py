"""What a send may cost, in things that can be counted: a slower one is seen here without a stopwatch."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from app import create_app
from app.errors import Outcome
from app.stores import Claim, Decision
from app.stores.memory import MemoryStore
from config.settings import load
from tests.conftest import ENVIRON, Caller
from tests.environs import ROOT
from tests.people import bearer
from tests.unit.serving.workers import Served, served
from tests.wire import Wire

# Functions written in Python that one send calls, from the WSGI call to the last byte of the answer, all libraries
# included. Who exceeds it has made each send dearer: find out why, and raise it only for what is worth it.
MOST_CALLS = 439
# The same around the application: from the bytes on the socket to those of the answer, and back to waiting.
MOST_CALLS_AROUND = 80


class Counted(MemoryStore):
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def hit(self, key: str, limit: int, window: int) -> Decision:
        self.calls.append("hit")
        return super().hit(key, limit, window)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        self.calls.append("claim")
        return super().claim(key, fingerprint, owner, lease=lease, again=again)

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        self.calls.append("settle")
        super().settle(key, fingerprint, owner, outcome, answer)


class Bench:
    """A service whose every cost is counted."""

    def __init__(self) -> None:
        self.store, self.wire = Counted(), Wire()
        self.app = create_app(load(ENVIRON), store=self.store, transport=self.wire)
        self.client = self.app.test_client()
        self.headers = bearer()

    def send(self, **more: str) -> int:
        return Caller(self.client).send(headers={**self.headers, **more}).status_code


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_calls_of_the_store(bench: Bench) -> None:
    """One decides the limit; a key takes one before the send and one after it."""
    assert bench.send() == 200
    assert bench.store.calls == ["hit"]
    assert bench.send(**{"Idempotency-Key": "a"}) == 200
    assert bench.store.calls == ["hit", "hit", "claim", "settle"]


def test_calls_upstream(bench: Bench) -> None:
    """The first send asks for the account; those after it only send."""
    assert [bench.send() for _ in range(3)] == [200] * 3
    assert (len(bench.wire.lookups), len(bench.wire.chats)) == (1, 3)


def test_refusals_cost_nothing_behind(bench: Bench) -> None:
    """Without a token nothing is asked; over the limit, only the store."""
    assert Caller(bench.client).send(headers={"Authorization": "Bearer a.b.c"}).status_code == 401
    assert (bench.store.calls, bench.wire.requests) == ([], [])
    assert [bench.send() for _ in range(31)][-1] == 429
    assert (len(bench.store.calls), len(bench.wire.chats)) == (31, 30)


def test_calls_of_functions(bench: Bench) -> None:
    """A send by somebody who has sent before."""
    for _ in range(3):
        bench.send()
    counted = calls_of(bench)
    total = sum(counted.values())
    dearest = "\n".join(f"{count:5} {name}" for name, count in counted.most_common(15))
    assert total <= MOST_CALLS, f"{total} calls, most of them in:\n{dearest}"


def test_calls_around_the_application() -> None:
    """A plain request on a connection that has had one; gunicorn's own objects would take it 140."""
    with served() as worker:
        worker.accept()
        counted = [calls_within(partial(exchange, worker)) for _ in range(2)][1]
    assert counted.total() <= MOST_CALLS_AROUND, counted.most_common(15)


@pytest.mark.parametrize(("url", "loaded"), [("memory://", 0), ("redis://127.0.0.1:1", 1)])
def test_a_worker_without_redis_does_not_load_its_library(url: str, loaded: int) -> None:
    """With it each starts later and is larger."""
    look = "import sys; import wsgi; raise SystemExit(int('redis' in sys.modules))"
    environ = {**ENVIRON, "STORE_URL": url}
    assert subprocess.run([sys.executable, "-c", look], env=environ, cwd=ROOT).returncode == loaded  # noqa: PLW1510


def exchange(worker: Served) -> None:
    """Have a request answered."""
    worker.client.sendall(
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n\r\n{}"
    )
    worker.serve()
    assert worker.client.recv(4096).endswith(b"\r\n\r\n{}")


def calls_of(bench: Bench) -> Counter[str]:
    """What is called within the application, by module."""
    counted: Counter[str] = Counter()
    application: Callable[..., Any] = bench.app.wsgi_app

    def watched(*arguments: Any) -> Any:
        answer: list[Any] = []
        counted.update(calls_within(lambda: answer.append(application(*arguments))))
        return answer[0]

    bench.app.wsgi_app = watched  # type: ignore[assignment,method-assign] # as Flask's documentation has it
    assert bench.send() == 200
    return counted


def calls_within(do: Callable[[], object]) -> Counter[str]:
    """What is called meanwhile, by module."""
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[frame.f_globals.get("__name__", "?")] += 1

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return counted
