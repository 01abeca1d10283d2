"""The scenes of the attack laboratory, short; `make attack` plays them in full and holds them to their times.

Clients that stall or drip are played by tests/system/test_slow_clients.py.
"""

import pytest

from tests.system.attacks.mutations import mutated
from tests.system.attacks.oddities import odd
from tests.system.attacks.raw import raw
from tests.system.attacks.strange_kids import strange_kids
from tests.system.attacks.tenants import crossing, interleaved
from tests.system.attacks.tokens import forged
from tests.system.faults.stage import Stage, hold
from tests.system.servers import OURS, PRELOADED, Kind

pytestmark = pytest.mark.system

# For a machine that has other things to do as well.
SLACK = 3.0


def test_no_forgery_passes(stage: Stage) -> None:
    """All are 401 with the challenge of RFC 6750; no key is fetched, nobody is asked, nothing is sent."""
    hold(forged(stage))


def test_no_change_of_a_token_passes(stage: Stage) -> None:
    """Whatever is replaced, cut, doubled, flipped or respelt, it is 401."""
    hold(mutated(stage, count=4_000))


def test_strange_kids_are_in_nobodys_way(stage: Stage) -> None:
    """All good sends pass, and a process asks for keys once in 30 s, whatever the key server does."""
    hold(strange_kids(stage, count=1_000, seconds=2, slack=SLACK))


def test_no_message_crosses_a_company(stage: Stage) -> None:
    """20 users send in 20 companies: 20 messages, and 380 times the answer that there is no account."""
    hold(crossing(stage, count=20))


@pytest.mark.parametrize("kind", [OURS, PRELOADED], ids=["as deployed", "preloaded"])
def test_no_answer_is_somebody_elses(stage: Stage, kind: Kind) -> None:
    """However the answers overtake each other, each has its own text, conversation, account and request id."""
    hold(interleaved(stage, count=600, kind=kind))


def test_a_mangled_request_has_one_answer(stage: Stage) -> None:
    """Of the application, by the contract, or of the parser, or none; what is not told as sent was not sent."""
    hold(raw(stage, count=600))


def test_what_is_odd_is_refused(stage: Stage) -> None:
    """Bodies, paths and ids: 400, 401, 404 or 405, never a redirect or a 500, and no memory is kept of them."""
    hold(odd(stage, rounds=2, slack=SLACK))
