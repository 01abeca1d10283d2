"""What the account service answers, on a real socket."""

from uuid import uuid4

import pytest

from tests.people import ACME, account
from tests.system.clients import ask, sending
from tests.system.conftest import Serve
from tests.system.standins import Services

pytestmark = pytest.mark.system


def test_a_user_may_have_thousands_of_accounts(serve: Serve, services: Services) -> None:
    """Support staff may have one in each company: 1 MiB of them is read, more is as bad as no answer."""
    for count in (4_000, 8_000):
        others = [account(str(uuid4()), account_id=str(uuid4())) for _ in range(count)]
        services.accounts[f"one-of-{count}"] = [*others, account(ACME)]
    server = serve(WEB_CONCURRENCY="1")

    assert ask(server.port, sending("one-of-4000")).status == 200
    answer = ask(server.port, sending("one-of-8000"))
    assert (answer.status, answer.code) == (500, "ACCOUNT_SERVICE_UNAVAILABLE")
