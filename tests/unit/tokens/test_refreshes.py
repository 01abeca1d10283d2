"""Keys are fetched again in the background, and an outage of the key server is survived."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from requests import Response

from app.errors import AuthUnavailableError
from app.tokens.fetched import MAX_AGE_SECONDS
from app.upstream.transport import Transport
from tests.unit.key_servers import (
    PATIENCE,
    Fetching,
    KeyServer,
    answers,
    forged,
    key_set,
    publishes,
)
from tests.unit.keys import MEMBER, refuse
from tests.unit.tokens.fetches import EC, FAILURES, RSA, waits

pytestmark = pytest.mark.enable_socket


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
        assert (fetching.verify(RSA), fetching.keys.stale, fetching.keys.age_seconds) == (MEMBER, True, 300)
        transport.faulty = False
        fetching.time.advance(30)
        assert (server.fetches, fetching.keys.stale) == (2, False)
    assert told == ["keys loaded", "keys stale LookupError", "keys back"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_however_the_thread_ends_keys_are_fetched_again(server: KeyServer, loaded: Fetching) -> None:
    """By another, which the next request starts: a key that is removed from the set would verify for a day.

    It fetches no sooner than the one before would have.
    """
    server.behaviour = publishes("P-256")
    loaded.time.fault = MemoryError()
    [thread] = [each for each in threading.enumerate() if each.name == "key-set"]
    loaded.time.start(0)
    thread.join(PATIENCE)
    loaded.time.fault = None
    assert loaded.verify(RSA) == MEMBER
    loaded.time.advance(29)
    assert server.fetches == 1
    loaded.time.advance(1)
    assert (server.fetches, loaded.verify(EC)) == (2, MEMBER)
    refuse(RSA, loaded)


def test_refreshed_within_its_interval(server: KeyServer, loaded: Fetching, told: list[str]) -> None:
    """A removed key stops, and a new one works, without a restart or a log line."""
    server.behaviour = publishes("P-256")
    loaded.time.advance(239)
    assert (server.fetches, loaded.verify(RSA)) == (1, MEMBER)
    loaded.time.advance(61)
    assert (server.fetches, loaded.verify(EC)) == (2, MEMBER)
    refuse(RSA, loaded)
    assert told == ["keys loaded"]


@pytest.mark.parametrize("failure", FAILURES)
def test_outage(server: KeyServer, loaded: Fetching, failure: str, told: list[str]) -> None:
    """The keys at hand go on, with their age told, and why; a fetch is tried every 30 s until one is good."""
    server.behaviour, reason = FAILURES[failure]
    loaded.time.advance(300)
    assert (loaded.verify(RSA), loaded.keys.ready) == (MEMBER, True)
    assert (loaded.keys.stale, loaded.keys.age_seconds) == (True, 300)
    refuse(EC, loaded)
    loaded.time.advance(29)
    assert server.fetches == 2
    loaded.time.advance(1)
    assert (server.fetches, loaded.keys.stale, loaded.keys.age_seconds) == (3, True, 330)
    server.behaviour = publishes("RSA", "P-256")
    loaded.time.advance(30)
    assert (loaded.verify(EC), loaded.keys.stale) == (MEMBER, False)
    assert told == ["keys loaded", f"keys stale {reason}", "keys back"]


def test_no_redirect_is_followed(server: KeyServer, loaded: Fetching) -> None:
    """Whoever can redirect the key server could have any token believed."""
    with KeyServer(publishes("P-256")) as other:
        for status in (301, 302, 303, 307, 308):
            server.behaviour = answers(status, key_set("P-256"), f"Location: {other.url}")
            loaded.time.advance(300)
            refuse(EC, loaded)
        assert other.fetches == 0
    assert loaded.verify(RSA) == MEMBER


def test_largest_set(server: KeyServer, loaded: Fetching) -> None:
    """A set may have 256 KB."""
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
    assert (loaded.keys.ready, loaded.keys.stale, loaded.keys.age_seconds) == (False, True, 86_430)
    server.behaviour = publishes("RSA")
    loaded.time.advance(30)
    assert (loaded.verify(RSA), loaded.keys.ready) == (MEMBER, True)
    assert told == ["keys loaded", "keys stale status", "keys expired status", "keys back"]


def test_nobody_waits_for_a_refresh(server: KeyServer, loaded: Fetching, gate: threading.Event) -> None:
    """Good tokens and unknown keys are answered while the server hangs, by every thread."""
    server.asked.clear()
    server.behaviour = waits(gate)
    loaded.time.start(300)
    assert server.asked.wait(PATIENCE)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(loaded.verify, [RSA] * 32)) == [MEMBER] * 32
        list(threads.map(lambda number: refuse(forged(f"unknown-{number}"), loaded), range(32)))
    assert not gate.is_set()
    assert loaded.keys.ready
