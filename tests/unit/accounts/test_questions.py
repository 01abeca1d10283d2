"""Who asks the account service, and who waits for the answer to the question of somebody else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from app.accounts import Accounts
from app.errors import AccountServiceUnavailableError, NoAccountError, OverloadedError, ServiceError
from app.principals import Account, User
from app.upstream.exchange import Exchanged
from app.upstream.slots import Slots
from tests.people import ACME, ISSUER, account
from tests.system.processes import await_until
from tests.unit.clocks import Clock
from tests.unit.services import CROWD, FOUND, account_service, correlation, find
from tests.wire import Answer, Wire, reply


def test_without_a_lifetime_nobody_shares_a_question(wire: Wire, slots: Slots, clock: Clock) -> None:
    """Its answer may have been true only before the second request came."""
    second = threading.Event()
    firsts = iter([True, False])

    def answer(_: str) -> Answer:
        if next(firsts):
            second.wait(10)
        second.set()
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    accounts = Accounts(account_service(wire, slots=slots), lifetime=0, clock=clock)
    with ThreadPoolExecutor(2) as pool:
        assert [each.result(20) for each in [pool.submit(find, accounts) for _ in range(2)]] == [FOUND, FOUND]
    assert len(wire.lookups) == 2


@pytest.mark.parametrize(("seconds", "questions"), [(60.9, 1), (61, 2)])
def test_a_question_is_waited_for_until_it_must_be_over(
    wire: Wire, slots: Slots, clock: Clock, seconds: float, questions: int
) -> None:
    """A second after its deadline it is asked anew: whoever asked it has failed."""
    asked, late = threading.Event(), threading.Event()

    def answer(_: str) -> Answer:
        asked.set()
        late.wait(10)
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    accounts = Accounts(account_service(wire, slots=slots), lifetime=300, clock=clock)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(find, accounts)
        asked.wait(10)
        clock.now += seconds
        second = pool.submit(find, accounts)
        await_until(lambda: slots.in_use == 2 and len(wire.lookups) == questions, lambda: "it asks otherwise", 10)
        late.set()
        assert [first.result(10), second.result(10)] == [FOUND, FOUND]
    assert len(wire.lookups) == questions


def test_a_late_answer_replaces_no_later_one(wire: Wire, slots: Slots, clock: Clock) -> None:
    """Who has lost an account meanwhile does not get it back."""
    asked, late = threading.Event(), threading.Event()

    def answer(_: str) -> Answer:
        if asked.is_set():
            return reply(404)
        asked.set()
        late.wait(10)
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    accounts = Accounts(account_service(wire, slots=slots), lifetime=300, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(find, accounts)
        asked.wait(10)
        clock.now += 61
        with pytest.raises(NoAccountError):
            find(accounts)
        late.set()
        assert first.result(10) == FOUND
    with pytest.raises(NoAccountError):
        find(accounts)
    assert len(wire.lookups) == 2


def test_a_late_answer_ends_no_later_question(accounts: Accounts, wire: Wire, slots: Slots, clock: Clock) -> None:
    """Whoever comes then waits for the question that is under way, and asks none."""
    ends = [threading.Event(), threading.Event()]

    def answer(_: str) -> Answer:
        ends[len(wire.lookups) > 1].wait(10)
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(find, accounts)
        await_until(lambda: len(wire.lookups) == 1, lambda: "nobody asks", 10)
        clock.now += 30
        second = pool.submit(find, accounts)
        await_until(lambda: len(wire.lookups) == 2, lambda: "nobody asks again", 10)
        ends[0].set()
        assert first.result(10) == FOUND
        third = pool.submit(find, accounts)
        await_until(lambda: slots.in_use == 2, lambda: "it does not wait", 10)
        ends[1].set()
        assert [second.result(10), third.result(10)] == [FOUND, FOUND]
    assert len(wire.lookups) == 2


def crowd(accounts: Accounts) -> list[Account | ServiceError]:
    """What twenty threads of one user get at once."""
    together = threading.Barrier(CROWD)

    def one(_: int) -> Account | ServiceError:
        together.wait(10)
        try:
            return find(accounts)
        except ServiceError as error:
            return error

    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(one, range(CROWD)))


@pytest.mark.parametrize("status", [200, 503])
def test_one_question_at_a_time(accounts: Accounts, wire: Wire, status: int) -> None:
    """However many wait for a user's accounts, one question is under way; all get its answer or its failure."""
    lock, second, under_way = threading.Lock(), threading.Event(), [0, 0]

    def answer(_: str) -> Answer:
        with lock:
            under_way[0] += 1
            under_way[1] = max(under_way)
        if under_way[0] > 1:
            second.set()
        second.wait(0.2)
        with lock:
            under_way[0] -= 1
        return reply(status, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    answers = crowd(accounts)
    assert under_way == [0, 1]
    assert {type(answer) for answer in answers} == {Account if status == 200 else AccountServiceUnavailableError}


def test_users_do_not_wait_for_each_other(accounts: Accounts, wire: Wire) -> None:
    """Two users' questions are under way at once: each answer comes only when both are asked."""
    both = threading.Barrier(2)

    def answer(_: str) -> Answer:
        both.wait(10)
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = answer
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda user: find(accounts, user), ["one", "another"])) == [FOUND, FOUND]


def test_only_a_question_takes_a_slot(accounts: Accounts, slots: Slots, wire: Wire) -> None:
    """With every slot taken, what is known is still answered, and who is not known is OVERLOADED, unasked."""
    find(accounts)
    wire.requests.clear()
    taken = [slots] * CROWD
    for slot in taken:
        slot.__enter__()
    assert find(accounts) == FOUND
    with pytest.raises(OverloadedError):
        find(accounts, "somebody-else")
    for slot in taken:
        slot.__exit__(None, None, None)
    assert wire.requests == []


def test_an_answer_that_came_meanwhile(wire: Wire) -> None:
    """Whoever was overtaken between finding nothing and asking takes the answer that is there; the log says so."""

    class Overtaken(Slots):
        """Lets another request of the same user begin and end before it gives its first place."""

        def __init__(self) -> None:
            super().__init__(CROWD)
            self.overtaken = False

        def __enter__(self) -> None:
            if not self.overtaken:
                self.overtaken = True
                find(overtaken)
            super().__enter__()

    slots = Overtaken()
    overtaken = Accounts(account_service(wire, slots=slots), lifetime=30)
    mine = correlation()
    found = overtaken.find(User(ISSUER, "a-member"), ACME, "conversations", mine)
    assert [found, len(wire.lookups), slots.overtaken] == [FOUND, 1, True]
    assert mine.exchanges == {"account": Exchanged(attempts=0)}


def test_a_thread_that_ends_leaves_no_question(accounts: Accounts, wire: Wire) -> None:
    """Nobody waits for an answer that nobody asks for any more."""

    def end(_: str) -> NoReturn:
        raise SystemExit

    before, wire.answer_accounts = wire.answer_accounts, end
    with pytest.raises(SystemExit):
        find(accounts)
    wire.answer_accounts = before
    assert find(accounts) == FOUND
