"""Keys by URL under real servers, with a key server that works, hangs or comes back."""

from collections.abc import Iterator

import pytest

from tests.system.clients import Answer, Request, ask, ask_together, sending
from tests.system.conftest import Serve
from tests.system.processes import await_until
from tests.system.servers import OURS, PRELOADED, READY, WAITRESS, Kind, Server
from tests.unit.key_servers import KeyServer, publishes, signed
from tests.unit.upstream.peers import Caller

pytestmark = pytest.mark.system

LIVE = Request("GET", "/health/live")


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    """A server that publishes an RSA key, in a set that is larger than other services may answer."""
    with KeyServer(publishes("RSA", *["P-256"] * 400)) as running:
        yield running


def prepared(prepare: Serve, keys: KeyServer, kind: Kind = OURS, **changes: str) -> Server:
    """A server that takes its keys from there."""
    names = {"JWT_SECRET": "", "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": keys.url}
    return prepare(kind, RATE_LIMIT="1000 per minute", **names, **changes)


def presenting(token: str) -> Request:
    return sending(headers={"Authorization": f"Bearer {token}"})


def told(answers: list[Answer]) -> set[tuple[int, str | None]]:
    return {(answer.status, answer.code) for answer in answers}


@pytest.mark.parametrize("kind", [OURS, PRELOADED, WAITRESS], ids=["gunicorn", "gunicorn --preload", "waitress"])
def test_no_worker_fails_its_first_requests(prepare: Serve, keys: KeyServer, kind: Kind) -> None:
    """Every process fetches once, for itself and after a fork, and refuses nobody until then."""
    server = prepared(prepare, keys, kind)
    server.launch()
    await_until(lambda: not server.is_free(), lambda: server.log)

    good = [presenting(signed("RSA", "RS256"))] * 16
    assert told(ask_together([server.port], good)) == {(200, None)}
    assert 1 <= keys.fetches <= 2
    assert ask(server.port, presenting(signed("another RSA", "RS256", kid="RSA"))).status == 401


def test_a_key_server_that_hangs_and_comes_back(prepare: Serve, keys: KeyServer) -> None:
    """Tokens cannot be judged meanwhile, health is answered; nothing has to be restarted afterwards."""
    keys.behaviour = Caller.wait
    server = prepared(prepare, keys, WEB_CONCURRENCY="1")
    server.launch()
    await_until(lambda: not server.is_free(), lambda: server.log)

    good = presenting(signed("RSA", "RS256"))
    answers = ask_together([server.port], [good] * 16)
    assert told(answers) == {(500, "AUTH_UNAVAILABLE")}
    assert {answer.headers["X-Send-Outcome"] for answer in answers} == {"not_sent"}
    assert ask(server.port, LIVE).status == 200
    assert ask(server.port, READY).status == 503

    keys.behaviour = publishes("RSA")
    server.await_events("keys loaded")
    assert told(ask_together([server.port], [good] * 16)) == {(200, None)}
