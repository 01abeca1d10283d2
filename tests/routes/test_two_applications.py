"""Two applications in one process, with different settings, share nothing."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config.settings import load
from tests.conftest import ENVIRON, Caller
from tests.documented import CheckedClient
from tests.people import bearer
from tests.wire import Wire

OTHER = {
    "JWT_AUDIENCE": "another-service",
    "RATE_LIMIT": "2 per hour",
    "MAX_BODY_BYTES": "30",
    "CHAT_SERVICE_TOKEN": "opaque",
    "ACCOUNT_CACHE_SECONDS": "0",
}


class Both:
    """Two applications and what is behind each."""

    def __init__(self) -> None:
        self.wires = Wire(), Wire()
        first, second = (
            create_app(load({**ENVIRON, **changes}), transport=wire)
            for wire, changes in zip(self.wires, ({}, OTHER), strict=True)
        )
        self.apps: tuple[Flask, Flask] = first, second
        self.first, self.second = Caller(CheckedClient(first)), Caller(CheckedClient(second))

    def sends(self) -> Iterator[tuple[int, str, str]]:
        """Send by each in turn: status, limit and what is left of it."""
        while True:
            for caller, audience in ((self.first, "send-message"), (self.second, "another-service")):
                answer = caller.send(headers=bearer(aud=audience))
                told = answer.headers
                yield answer.status_code, told["X-RateLimit-Limit"], told["X-RateLimit-Remaining"]


@pytest.fixture
def both() -> Both:
    return Both()


def test_windows(both: Both) -> None:
    """One user has a full window in each, of the size that is set there."""
    sends = both.sends()
    assert [next(sends) for _ in range(6)] == [
        (200, "30", "29"),
        (200, "2", "1"),
        (200, "30", "28"),
        (200, "2", "0"),
        (200, "30", "27"),
        (429, "2", "0"),
    ]


def test_keys(both: Both) -> None:
    """A token for one is none for the other."""
    assert both.first.send().status_code == 200
    assert both.second.send().status_code == 401


def test_services_behind(both: Both) -> None:
    """Each asks its own, with its own credential, and remembers only what it was told itself."""
    sends = both.sends()
    for _ in range(4):
        next(sends)
    first, second = both.wires

    assert (len(first.lookups), len(first.chats)) == (1, 2)
    assert (len(second.lookups), len(second.chats)) == (2, 2)
    assert {wire.headers.get("Authorization") for wire in first.chats} == {None}
    assert {wire.headers.get("Authorization") for wire in second.chats} == {"Bearer opaque"}


def test_bodies(both: Both) -> None:
    """What is too large for one is not too large for the other."""
    body = {"message_body": "longer than thirty bytes"}
    assert both.first.send(json=body).status_code == 200
    answer = both.second.send(json=body, headers=bearer(aud="another-service"))
    assert answer.get_json()["code"] == "BODY_TOO_LARGE"


def test_idempotency_keys(both: Both) -> None:
    """What was sent by one under a key has not been sent by the other."""
    for caller, audience in ((both.first, "send-message"), (both.second, "another-service")):
        answer = caller.send(headers={**bearer(aud=audience), "Idempotency-Key": "one"})
        assert "Idempotent-Replayed" not in answer.headers


def test_references(both: Both) -> None:
    """Each tells its own limit."""
    pages = [FlaskClient(app).get("/docs/send-message.md").text for app in both.apps]
    assert ["The limit is 30 per minute" in pages[0], "The limit is 2 per hour" in pages[1]] == [True, True]
