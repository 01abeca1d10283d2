"""Keys are fetched when they are first needed; until then no token can be judged."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from app.errors import AuthUnavailableError
from app.principals import User
from app.upstream.slots import Slots
from tests.environs import ROOT
from tests.unit.key_servers import (
    PATIENCE,
    Fetching,
    KeyServer,
    answers,
    forged,
    publishes,
)
from tests.unit.keys import MEMBER
from tests.unit.tokens.fetches import RSA, waits
from tests.unit.upstream.peers import Caller

pytestmark = pytest.mark.enable_socket


def test_first_requests(server: KeyServer, fetching: Fetching) -> None:
    """Those that come first get the keys of one fetch, however many they are."""
    assert server.fetches == 0
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(fetching.verify, [RSA] * 8)) == [MEMBER] * 8
    assert server.fetches == 1


def test_readiness_starts_the_fetching(server: KeyServer, fetching: Fetching, gate: threading.Event) -> None:
    """It tells no until the keys are there, and waits for nothing."""
    server.behaviour = waits(gate)
    assert fetching.keys.ready is False
    assert server.asked.wait(PATIENCE)
    assert fetching.keys.ready is False
    gate.set()
    fetching.time.advance()
    assert (fetching.keys.ready, fetching.keys.stale, server.fetches) == (True, False, 1)


def test_first_fetch_fails(server: KeyServer, fetching: Fetching, told: list[str]) -> None:
    """No token can be judged then, which is no fault of it; the fetch is tried again, less and less often."""
    server.behaviour = answers(500)
    for pause in (2, 4, 8, 16, 30, 30):
        with pytest.raises(AuthUnavailableError):
            fetching.verify(RSA)
        with pytest.raises(AuthUnavailableError):
            fetching.verify(forged("unknown"))
        made = server.fetches
        fetching.time.advance(pause * 0.49)
        assert server.fetches == made
        fetching.time.advance(pause * 0.51)
    assert (server.fetches, fetching.keys.ready, fetching.keys.stale) == (7, False, False)
    server.behaviour = publishes("RSA")
    fetching.time.advance(30)
    assert fetching.verify(RSA) == MEMBER
    assert told == ["keys missing status", "keys loaded"]


def test_first_fetch_hangs(server: KeyServer, fetching: Fetching) -> None:
    """It ends by itself, and the requests that wait for it with it."""
    server.behaviour = Caller.wait
    with pytest.raises(AuthUnavailableError):
        fetching.verify(RSA)


def test_waiting_takes_a_slot(server: KeyServer, gate: threading.Event) -> None:
    """Requests without one do not wait: a hanging key server leaves threads for others."""
    server.behaviour = waits(gate)
    refused = threading.Semaphore(0)

    def outcome(verify: Callable[[str], User]) -> User | None:
        try:
            return verify(RSA)
        except AuthUnavailableError:
            refused.release()
            return None

    with Fetching(server.url, slots=Slots(1)) as fetching, ThreadPoolExecutor(8) as threads:
        outcomes = threads.map(outcome, [fetching.verify] * 8)
        for _ in range(7):
            assert refused.acquire(timeout=PATIENCE)
        gate.set()
        assert sorted(outcomes, key=str) == [None] * 7 + [MEMBER]


FORKED = """
import os, threading
from app.tokens.fetched import FetchedKeys
from app.upstream.slots import Slots
from app.upstream.transport import Transport
from tests.unit.key_servers import ALGORITHMS, KeyServer, checker, publishes, signed

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "key-set"]

with KeyServer(publishes("RSA")) as server:
    keys = FetchedKeys(server.url, ALGORITHMS, transport=Transport(), slots=Slots(8))
    token = signed("RSA", "RS256")
    parent = [checker(keys).verify(token).id, threads()]
    child = os.fork()
    if child == 0:
        inherited = threads()
        print(parent, inherited, checker(keys).verify(token).id, threads(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(server.fetches)
    keys.close()
"""


def test_a_fork_starts_afresh() -> None:
    """A child, which has no thread of its parent, fetches for itself when it first needs a key."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "['a-member', ['key-set']] [] a-member ['key-set']\n2\n"


def test_unused_keys_are_not_fetched(server: KeyServer) -> None:
    """Making an application touches nothing, so that it can be made before a fork."""
    with ExitStack() as stack:
        stack.enter_context(Fetching(server.url))
        assert "key-set" not in {thread.name for thread in threading.enumerate()}
    assert server.fetches == 0
