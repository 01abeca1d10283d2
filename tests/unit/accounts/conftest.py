"""What is known of accounts, with the account service behind it."""

import pytest

from app.accounts import Accounts
from app.upstream.slots import Slots
from tests.unit.clocks import Clock
from tests.unit.services import CROWD, account_service
from tests.wire import Wire


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slots() -> Slots:
    return Slots(CROWD)


@pytest.fixture
def accounts(wire: Wire, slots: Slots, clock: Clock) -> Accounts:
    return Accounts(account_service(wire, slots=slots), lifetime=30, clock=clock)
