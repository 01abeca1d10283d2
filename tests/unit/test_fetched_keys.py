"""When the key set is fetched, and what tokens meet meanwhile."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from requests import Response

from app.errors import AuthUnavailableError, UnauthorizedError
from app.principals import User
from app.tokens.fetched import MAX_AGE_SECONDS
from app.upstream.slots import Slots
from app.upstream.transport import Transport
from tests.unit.key_servers import (
    PATIENCE,
    Behaviour,
    Fetching,
    KeyServer,
    answers,
    forged,
    http,
    jwk,
    key_set,
    publishes,
    signed,
)
from tests.unit.keys import MEMBER, segment
from tests.unit.upstream.peers import Caller

pytestmark = pytest.mark.enable_socket

RSA, EC = signed("RSA", "RS256"), signed("P-256", "ES256")
GOOD = http(200, key_set("RSA", "P-256"))


def waits(gate: threading.Event) -> Behaviour:
    """Publish both keys, after the event."""

    def behaviour(caller: Caller) -> None:
        gate.wait(PATIENCE)
        caller.send(GOOD)

    return behaviour


def stops_halfway(caller: Caller) -> None:
    """Die within the answer."""
    caller.send(GOOD[:-9])
    caller.close()


# What a key server can do instead of publishing keys.
FAILURES = {
    "an error": answers(500, key_set("P-256")),
    "not there": answers(404),
    "no content": answers(204),
    "not modified": answers(304),
    "created": answers(201, key_set("P-256")),
    "a page": answers(200, b"<html>Sign in</html>", "Content-Type: text/html"),
    "an empty set": answers(200, b'{"keys": []}'),
    "only a secret": answers(200, json.dumps({"keys": [{"kty": "oct", "k": segment(b"k" * 40)}]}).encode()),
    "only a weak key": publishes("weak RSA"),
    "too much": answers(200, key_set("P-256").ljust(262_145)),
    "deep nesting": answers(200, b"[" * 200_000),
    "half": stops_halfway,
    "no answer": Caller.close,
    "a reset": Caller.reset,
    "another protocol": lambda caller: caller.send(b"220 mail.example ESMTP\r\n"),
}


@pytest.fixture
def server() -> Iterator[KeyServer]:
    """A server that publishes an RSA key."""
    with KeyServer(publishes("RSA")) as running:
        yield running


@pytest.fixture
def fetching(server: KeyServer) -> Iterator[Fetching]:
    """Keys of the server, on a clock of their own; nothing is fetched before they are used."""
    with Fetching(server.url) as made:
        yield made


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The log, whatever other tests have configured."""
    events: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: events.append(record.getMessage())  # type: ignore[method-assign] # shorter than a class
    logger = logging.getLogger("app.tokens.fetched")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield events
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


@pytest.fixture
def loaded(fetching: Fetching, told: list[str]) -> Fetching:  # noqa: ARG001 - the log of this as well
    """The same after its first fetch."""
    assert fetching.verify(RSA) == MEMBER
    fetching.time.advance()
    return fetching


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a server can wait for; it comes with the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


def refuse(fetching: Fetching, token: str) -> None:
    with pytest.raises(UnauthorizedError):
        fetching.verify(token)


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
    assert (fetching.keys.ready, fetching.keys.stale_seconds, server.fetches) == (True, None, 1)


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
    assert (server.fetches, fetching.keys.ready, fetching.keys.stale_seconds) == (7, False, None)
    server.behaviour = publishes("RSA")
    fetching.time.advance(30)
    assert fetching.verify(RSA) == MEMBER
    assert told == ["keys missing", "keys loaded"]


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


def test_a_fault_of_ours_is_a_failed_fetch(server: KeyServer, told: list[str]) -> None:
    """Whatever is raised, the thread goes on and tries again as often as after any failure."""

    class FaultyTransport(Transport):
        faulty = False

        def send(self, *arguments: Any, **options: Any) -> Response:
            if self.faulty:
                raise LookupError("canary")
            return super().send(*arguments, **options)

    transport = FaultyTransport()
    with Fetching(server.url, transport=transport) as fetching:
        assert fetching.verify(RSA) == MEMBER
        transport.faulty = True
        fetching.time.advance(300)
        assert (fetching.verify(RSA), fetching.keys.stale_seconds) == (MEMBER, 300)
        transport.faulty = False
        fetching.time.advance(30)
        assert (server.fetches, fetching.keys.stale_seconds) == (2, None)
    assert told == ["keys loaded", "keys stale", "keys back"]


def test_refreshed_within_its_interval(server: KeyServer, loaded: Fetching, told: list[str]) -> None:
    """A removed key stops, and a new one works, without a restart or a log line."""
    server.behaviour = publishes("P-256")
    loaded.time.advance(239)
    assert (server.fetches, loaded.verify(RSA)) == (1, MEMBER)
    loaded.time.advance(61)
    assert (server.fetches, loaded.verify(EC)) == (2, MEMBER)
    refuse(loaded, RSA)
    assert told == ["keys loaded"]


@pytest.mark.parametrize("failure", FAILURES)
def test_outage(server: KeyServer, loaded: Fetching, failure: str, told: list[str]) -> None:
    """The keys at hand go on, with their age told; the fetch is tried every 30 s until it is good again."""
    server.behaviour = FAILURES[failure]
    loaded.time.advance(300)
    assert (loaded.verify(RSA), loaded.keys.ready, loaded.keys.stale_seconds) == (MEMBER, True, 300)
    refuse(loaded, EC)
    loaded.time.advance(29)
    assert server.fetches == 2
    loaded.time.advance(1)
    assert (server.fetches, loaded.keys.stale_seconds) == (3, 330)
    server.behaviour = publishes("RSA", "P-256")
    loaded.time.advance(30)
    assert (loaded.verify(EC), loaded.keys.stale_seconds) == (MEMBER, None)
    assert told == ["keys loaded", "keys stale", "keys back"]


def test_no_redirect_is_followed(server: KeyServer, loaded: Fetching) -> None:
    """Whoever can redirect the key server could have any token believed."""
    with KeyServer(publishes("P-256")) as other:
        for status in (301, 302, 303, 307, 308):
            server.behaviour = answers(status, key_set("P-256"), f"Location: {other.url}")
            loaded.time.advance(300)
            refuse(loaded, EC)
        assert other.fetches == 0
    assert loaded.verify(RSA) == MEMBER


def test_largest_set(server: KeyServer, loaded: Fetching) -> None:
    """256 KB are taken."""
    server.behaviour = answers(200, key_set("P-256").ljust(262_144))
    loaded.time.advance(300)
    assert loaded.verify(EC) == MEMBER


def test_age_limit(server: KeyServer, loaded: Fetching, told: list[str]) -> None:
    """Keys that nobody has confirmed for a day are not believed; the service says so instead of blaming tokens."""
    server.behaviour = answers(503)
    loaded.time.advance(MAX_AGE_SECONDS)
    assert (loaded.verify(RSA), loaded.keys.ready) == (MEMBER, True)
    loaded.time.advance(30)
    with pytest.raises(AuthUnavailableError):
        loaded.verify(RSA)
    assert (loaded.keys.ready, loaded.keys.stale_seconds) == (False, 86_430)
    server.behaviour = publishes("RSA")
    loaded.time.advance(30)
    assert (loaded.verify(RSA), loaded.keys.ready) == (MEMBER, True)
    assert told == ["keys loaded", "keys stale", "keys expired", "keys back"]


@pytest.mark.parametrize("behaviour", ["publishes", *FAILURES])
def test_many_unknown_keys(server: KeyServer, loaded: Fetching, behaviour: str) -> None:
    """1,000 names of keys cause one fetch in 30 s, a failed one too; good tokens pass meanwhile."""
    server.behaviour = FAILURES.get(behaviour, publishes("RSA"))
    names = iter([f"unknown-{number}" for number in range(1000)])
    for moment in range(4):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda name: refuse(loaded, forged(name)), [next(names) for _ in range(250)]))
        assert loaded.verify(RSA) == MEMBER
        loaded.time.advance(10)
        assert server.fetches == (2 if moment > 1 else 1)


def test_rotated_in_key(server: KeyServer, loaded: Fetching) -> None:
    """Its tokens are refused at once until the set is fetched again, within 30 s of the first of them."""
    server.behaviour = publishes("RSA", "P-256")
    refuse(loaded, EC)
    loaded.time.advance(30)
    assert (loaded.verify(EC), loaded.verify(RSA), server.fetches) == (MEMBER, MEMBER, 2)
    loaded.time.advance(60)
    refuse(loaded, forged("unknown"))
    loaded.time.advance()
    assert server.fetches == 3


def test_an_unknown_key_is_asked_for_once(server: KeyServer, loaded: Fetching) -> None:
    """From then on the set is fetched as often as ever."""
    refuse(loaded, forged("unknown"))
    for _ in range(7):
        loaded.time.advance(30)
    assert server.fetches == 2


def test_nobody_waits_for_a_refresh(server: KeyServer, loaded: Fetching, gate: threading.Event) -> None:
    """Good tokens and unknown keys are answered while the server hangs, by every thread."""
    server.asked.clear()
    server.behaviour = waits(gate)
    loaded.time.start(300)
    assert server.asked.wait(PATIENCE)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(loaded.verify, [RSA] * 32)) == [MEMBER] * 32
        list(threads.map(lambda number: refuse(loaded, forged(f"unknown-{number}")), range(32)))
    assert not gate.is_set()
    assert loaded.keys.ready


def test_token_that_names_no_key(server: KeyServer, fetching: Fetching) -> None:
    """Every key of its algorithm is tried, eight at most."""
    others = [jwk("another RSA", kid=f"other-{number}") for number in range(8)]
    unnamed = signed("RSA", "RS256", kid=None)
    server.behaviour = answers(200, json.dumps({"keys": [*others[1:], jwk("P-256"), jwk("RSA")]}).encode())
    assert fetching.verify(unnamed) == MEMBER
    server.behaviour = answers(200, json.dumps({"keys": [*others, jwk("RSA")]}).encode())
    fetching.time.advance(300)
    assert fetching.verify(RSA) == MEMBER
    refuse(fetching, unnamed)
    assert server.fetches == 2


def test_keys_of_one_name(server: KeyServer, fetching: Fetching) -> None:
    """Keys of several kinds may share a name (RFC 7517 section 4.5)."""
    keys = [jwk("RSA", kid="now"), jwk("P-256", kid="now"), jwk("Ed25519", kid="now")]
    server.behaviour = answers(200, json.dumps({"keys": keys}).encode())
    for kind, algorithm in (("RSA", "RS256"), ("P-256", "ES256"), ("Ed25519", "EdDSA")):
        assert fetching.verify(signed(kind, algorithm, kid="now")) == MEMBER
    refuse(fetching, signed("another RSA", "RS256", kid="now"))


def test_header_that_points_to_a_key(loaded: Fetching) -> None:
    """Keys and addresses of keys in a token are ignored and never asked (RFC 8725 section 3.10)."""
    with KeyServer(publishes("another RSA")) as evil:
        pointers = {"jku": evil.url, "x5u": evil.url, "jwk": jwk("another RSA"), "x5c": ["MIIB"]}
        refuse(loaded, signed("another RSA", "RS256", **pointers))
        refuse(loaded, signed("another RSA", "RS256", **{**pointers, "kid": "RSA"}))
        refuse(loaded, signed("another RSA", "RS256", **{**pointers, "kid": None}))
        assert loaded.verify(signed("RSA", "RS256", **pointers)) == MEMBER
        loaded.time.advance(300)
        assert evil.fetches == 0


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
        cwd=Path(__file__).parents[2],
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
