"""What the account service answered is believed for a while, and takes so much memory and no more."""

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts import Accounts
from app.errors import NoAccountError
from app.principals import User
from app.upstream.slots import Slots
from tests.people import ACME, GLOBEX, account
from tests.unit.clocks import Clock
from tests.unit.services import FOUND, account_service, answering, correlation, find
from tests.wire import Answer, Wire, reply


def test_an_answer_is_believed_for_its_lifetime(accounts: Accounts, wire: Wire, clock: Clock) -> None:
    """Until `lifetime` seconds are over the service is asked once, whatever company it is about."""
    for seconds in (0, 29.9):
        clock.now = 1000 + seconds
        assert find(accounts) == FOUND
        with pytest.raises(NoAccountError):
            find(accounts, company=GLOBEX)
    assert len(wire.lookups) == 1
    clock.now = 1030
    assert find(accounts) == FOUND
    assert len(wire.lookups) == 2


@pytest.mark.parametrize("answer", [answering(status=404), answering({"accounts": []})], ids=["404", "empty"])
def test_no_accounts_are_believed_too(accounts: Accounts, wire: Wire, answer: Callable[[str], Answer]) -> None:
    """Somebody without an account cannot make every request a question."""
    wire.answer_accounts = answer
    for _ in range(3):
        with pytest.raises(NoAccountError):
            find(accounts)
    assert len(wire.lookups) == 1


def test_age_counts_from_the_question(accounts: Accounts, wire: Wire, clock: Clock) -> None:
    """An answer that took 20 s is believed for 10 more: it was certainly true when it was asked for."""

    def slow(_: str) -> Answer:
        clock.now += 20
        return reply(200, {"accounts": [account(ACME)]})

    wire.answer_accounts = slow
    find(accounts)
    clock.now += 9.9
    find(accounts)
    assert len(wire.lookups) == 1
    clock.now += 0.1
    find(accounts)
    assert len(wire.lookups) == 2


def test_without_a_lifetime(wire: Wire, slots: Slots, clock: Clock) -> None:
    """With ACCOUNT_CACHE_SECONDS=0 every request asks."""
    accounts = Accounts(account_service(wire, slots=slots), lifetime=0, clock=clock)
    assert [find(accounts), find(accounts), len(wire.lookups)] == [FOUND, FOUND, 2]


def test_users_of_two_issuers(accounts: Accounts, wire: Wire) -> None:
    """The same id means another user where another issuer gave it: nothing is shared."""
    find(accounts)
    accounts.find(User("https://other.example", "a-member"), ACME, "conversations", correlation())
    assert len(wire.lookups) == 2


def test_memory_is_bounded(accounts: Accounts, wire: Wire) -> None:
    """Of 20,001 users the one that was seen longest ago is forgotten, and only that one."""
    one = reply(200, {"accounts": [account(ACME)]})
    wire.answer_accounts = lambda _: one
    users = [str(number) for number in range(20_000)]
    for user in [*users, "0", "one more", "0", "2", "1"]:
        find(accounts, user)
    urls = [str(request.url).split("/")[-2] for request in wire.requests]
    assert urls == [*users, "one%20more", "1"]


def test_memory_is_bounded_by_accounts(accounts: Accounts, wire: Wire) -> None:
    """Users with 20,000 each take the room of as many others."""
    many = reply(200, {"accounts": [account(ACME)] * 20_000})
    wire.answer_accounts = lambda _: many
    for user in ("a", "b", "b", "a"):
        find(accounts, user)
    assert [str(request.url).split("/")[-2] for request in wire.requests] == ["a", "b", "a"]


def test_who_has_some_roles_takes_no_more_room_than_who_has_one(accounts: Accounts, wire: Wire) -> None:
    """An ordinary account counts as one."""
    some = reply(200, {"accounts": [account(ACME) | {"roles": ["conversations", "contacts", "admin"]}] * 20_000})
    wire.answer_accounts = lambda _: some
    for user in ("a", "b", "b", "a"):
        find(accounts, user)
    assert len(wire.requests) == 3


def test_a_later_answer_takes_the_room_of_the_earlier(accounts: Accounts, wire: Wire, clock: Clock) -> None:
    """Its user is again the one that was seen last, and has no less room for the others."""
    a_third = reply(200, {"accounts": [account(ACME)] * 13_000})
    wire.answer_accounts = lambda _: a_third
    find(accounts, "a")
    find(accounts, "b")
    clock.now += 30
    for user in ("a", "c", "d", "a"):
        find(accounts, user)
    assert [str(request.url).split("/")[-2] for request in wire.requests] == ["a", "b", "a", "c", "d"]


@pytest.mark.parametrize(
    "large",
    [
        {"roles": [str(n) for n in range(10_000)]},
        {"roles": list(range(13_000))},
        {"roles": ["x" * 1_000_000]},
        {"account_id": "x" * 1_000_000},
        {"company_id": "x" * 1_000_000},
        # Python keeps all characters of a text in as many bytes as the largest of them needs.
        {"account_id": "\N{SLIGHTLY SMILING FACE}" + "x" * 300_000},
    ],
    ids=["short roles", "numbers", "a long role", "a long id", "a long company", "an id of wide characters"],
)
def test_memory_is_bounded_by_what_is_kept(accounts: Accounts, wire: Wire, large: dict[str, Any]) -> None:
    """A single account may fill an answer of a megabyte: it takes the room of a thousand users and more."""
    much = reply(200, {"accounts": [account(ACME), {**account(GLOBEX), **large}]})
    wire.answer_accounts = lambda _: much
    users = [str(number) for number in range(20)]
    for user in [*users, users[-1], users[0]]:
        find(accounts, user)
    assert [str(request.url).split("/")[-2] for request in wire.requests] == [*users, users[0]]


@pytest.mark.parametrize(("length", "questions"), [(255, 1), (256, 2)])
def test_users_with_long_ids_are_not_remembered(wire: Wire, length: int, questions: int) -> None:
    """Whoever may choose an id of 8 KB would fill the memory of a worker."""
    service = Accounts(account_service(wire), lifetime=60)
    for _ in range(2):
        with pytest.raises(NoAccountError):
            find(service, "x" * length)
    assert len(wire.lookups) == questions
