"""What most tests stand on: an application in this process, between a client and a stand-in for the network."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings
from werkzeug.test import TestResponse

from app import create_app
from config.settings import load
from tests.documented import CheckedClient
from tests.environs import REQUIRED
from tests.people import ACME, CONVERSATION, bearer
from tests.wire import Wire

# How long an example takes says something of the machine alone.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
ENVIRON = {
    **REQUIRED,
    "STORE_URL": "memory://",
    "WEB_CONCURRENCY": "1",
}


@pytest.fixture
def environ() -> dict[str, str]:
    """Settings that start a service; a test may change its copy."""
    return dict(ENVIRON)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def app(environ: dict[str, str], wire: Wire) -> Flask:
    return create_app(load(environ), transport=wire)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return CheckedClient(app)


class Caller:
    """Sends messages as people do; every argument has a good default."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def send(
        self,
        user: str = "a-member",
        company: str = ACME,
        conversation: str = CONVERSATION,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> TestResponse:
        """POST a message and return the answer."""
        if "data" not in request:
            request.setdefault("json", {"message_body": "Hello"})
        path = f"/v1/send-message/{company}/{conversation}"
        return self.client.post(path, headers={**bearer(user), **(headers or {})}, **request)


@pytest.fixture
def caller(client: FlaskClient) -> Caller:
    return Caller(client)
