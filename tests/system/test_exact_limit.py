"""30 sends a minute and user, whichever process they meet."""

from collections.abc import Sequence
from itertools import count

import pytest

from tests.system.clients import ask_together, sending
from tests.system.conftest import Serve
from tests.system.servers import Server
from tests.system.standins import Services

pytestmark = pytest.mark.system

# Of 48 threads 36 may wait for the chat service: one worker could take all that are admitted.
FOUR_WORKERS = {"WEB_CONCURRENCY": "4", "THREADS": "48"}
TWO_WORKERS = {"WEB_CONCURRENCY": "2", "THREADS": "48"}


def losses(servers: Sequence[Server]) -> int:
    """How often a process of these has lost the store."""
    return sum(len(server.events("store lost")) for server in servers)


def hold_exactly(servers: Sequence[Server], services: Services) -> None:
    """Three users in a row send 150 messages each at once; each has 30 sent, with 29 to 0 left once each.

    Where the machine kept the store from a process for too long, that has decided alone: another user is taken.
    """
    users, held = count(), 0
    while held < 3:
        number = next(users)
        assert number < 9, [server.log for server in servers]
        for server in servers:
            server.await_events("store back", count=losses([server]), seconds=35)
        before = losses(servers)
        user = f"a-member-{number}"
        requests = [
            sending(user, text=user, headers={"X-Forwarded-For": f"10.0.{number}.{n}"}) for n in range(150)
        ]
        answers = ask_together([server.port for server in servers], requests)

        if losses(servers) > before:
            continue
        held += 1
        sent = [answer for answer in answers if answer.status == 200]
        refused = [answer.code for answer in answers if answer.status != 200]
        assert sorted(answer.remaining for answer in sent) == list(range(30))
        assert refused == ["RATE_LIMIT_EXCEEDED"] * 120
        assert len([entry for entry in services.ledger.entries if entry.text == user]) == 30


def test_four_workers_share_the_limit_in_a_file(serve: Serve, services: Services) -> None:
    """Of 150 parallel sends of one user exactly 30 are sent, wherever they claim to come from; three times."""
    hold_exactly([serve(**FOUR_WORKERS)], services)


@pytest.mark.usefixtures("valkey")
def test_four_workers_share_the_limit_on_valkey(serve: Serve, services: Services, valkey_url: str) -> None:
    """The same, with the store of several machines."""
    hold_exactly([serve(STORE_URL=valkey_url, **FOUR_WORKERS)], services)


@pytest.mark.usefixtures("valkey")
def test_two_services_share_the_limit_on_valkey(serve: Serve, services: Services, valkey_url: str) -> None:
    """The same for two services that have nothing else in common."""
    hold_exactly([serve(STORE_URL=valkey_url, **TWO_WORKERS) for _ in range(2)], services)
