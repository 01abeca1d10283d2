"""With a key server on a real socket: what callers and probes see of it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.principals import Account
from app.tokens.fetched import MAX_AGE_SECONDS, MAX_SET_BYTES, FetchedKeys
from app.upstream.transport import Transport
from app.web import services
from app.web.guards import company_scoped
from config.settings import load
from tests.conftest import Caller
from tests.people import ACME
from tests.unit.key_servers import Fetching, KeyServer, answers, checker, forged, publishes, signed
from tests.unit.stores.servers import wait_for
from tests.wire import Wire

pytestmark = pytest.mark.enable_socket

NOT_READY = "no key to verify tokens with has been loaded"


class Network(Wire):
    """The stand-in for the network, but for the key server, which is really asked."""

    def __init__(self, key_url: str) -> None:
        super().__init__()
        self.keys = Transport(max_body_bytes=MAX_SET_BYTES)
        self._key_url = key_url

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        if request.url == self._key_url:
            return self.keys.send(request, timeout=timeout)
        return super().send(request, timeout=timeout)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(publishes("RSA")) as running:
        yield running


@pytest.fixture
def wire(server: KeyServer) -> Iterator[Network]:
    network = Network(server.url)
    with closing(network.keys):
        yield network


@pytest.fixture
def app(environ: dict[str, str], server: KeyServer, wire: Network) -> Iterator[Flask]:
    del environ["JWT_SECRET"]
    made = create_app(load({**environ, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": server.url}), transport=wire)
    yield made
    with made.app_context():
        keys = services.services().tokens.keys
    assert isinstance(keys, FetchedKeys)
    keys.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def readiness(client: FlaskClient) -> tuple[int, Any]:
    answer = client.get("/health/ready")
    return answer.status_code, answer.json


def test_a_message_is_sent(caller: Caller, server: KeyServer) -> None:
    """From the first request on, by the keys of one fetch; tokens of no key are refused."""
    assert server.fetches == 0
    assert caller.send(headers=bearer(signed("RSA", "RS256"))).status_code == 200
    assert caller.send(headers=bearer(forged("unknown"))).status_code == 401
    assert caller.send(headers=bearer(signed("another RSA", "RS256", kid="RSA"))).status_code == 401
    assert server.fetches == 1


def test_readiness(client: FlaskClient, server: KeyServer) -> None:
    """A probe alone, without a request, brings the keys."""
    wait_for(lambda: readiness(client) == (200, {"status": "ready", "reasons": []}))
    assert server.fetches == 1


def test_no_key_yet(caller: Caller, server: KeyServer, wire: Network) -> None:
    """Nobody is told that their token is bad, and nobody is asked about them; when the keys come, all goes on."""
    server.behaviour = answers(503)
    answer = caller.send(headers=bearer(signed("RSA", "RS256")))
    told = (answer.status_code, answer.json["code"], answer.json["send_outcome"])  # type: ignore[index] # a document
    assert told == (500, "AUTH_UNAVAILABLE", "not_sent")
    assert (answer.headers["X-Send-Outcome"], answer.headers["Retry-After"]) == ("not_sent", "5")
    assert readiness(caller.client) == (503, {"status": "not ready", "reasons": [NOT_READY]})
    assert caller.client.get("/health/live").status_code == 200
    assert wire.requests == []
    server.behaviour = publishes("RSA")
    wait_for(lambda: readiness(caller.client)[0] == 200)
    assert caller.send(headers=bearer(signed("RSA", "RS256"))).status_code == 200


def test_no_key_yet_where_nothing_is_sent(app: Flask, client: FlaskClient, server: KeyServer) -> None:
    """There is no message of which to say what became of it."""

    @app.get("/v1/read/<company_id>")
    @company_scoped(role="conversations")
    def read(account: Account) -> None:
        pytest.fail(f"let {account} in")

    server.behaviour = answers(503)
    answer = client.get(f"/v1/read/{ACME}", headers=bearer(signed("RSA", "RS256")))
    assert (answer.status_code, answer.json["code"]) == (500, "AUTH_UNAVAILABLE")  # type: ignore[index] # a document
    assert ("X-Send-Outcome" in answer.headers, answer.headers["Retry-After"]) == (False, "5")


def test_outage(app: Flask, caller: Caller, server: KeyServer) -> None:
    """Probes see it coming: ready with the age of the keys for a day, then no more."""
    with Fetching(server.url) as fetching:
        with app.app_context():
            ours = services.services()
        services.install(app.extensions, replace(ours, tokens=checker(fetching.keys)))
        assert caller.send(headers=bearer(signed("RSA", "RS256"))).status_code == 200
        server.behaviour = answers(503)
        fetching.time.advance(400)
        ready = {"status": "ready", "reasons": [], "keys_age_seconds": 400}
        assert readiness(caller.client) == (200, ready)
        assert caller.send(headers=bearer(signed("RSA", "RS256"))).status_code == 200
        fetching.time.advance(MAX_AGE_SECONDS)
        expired = {"status": "not ready", "reasons": [NOT_READY], "keys_age_seconds": 86_800}
        assert readiness(caller.client) == (503, expired)
        assert caller.send(headers=bearer(signed("RSA", "RS256"))).status_code == 500
        services.install(app.extensions, ours)
