"""What is asked of the account service, and what its answers mean."""

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts import Accounts
from app.errors import AccountServiceUnavailableError, ForbiddenError, NoAccountError, ServiceError
from app.principals import Account
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.people import ACME, GLOBEX, account
from tests.unit.services import FOUND, account_service, answering, correlation, find
from tests.wire import ACCOUNTS, Answer, Wire


def test_what_is_asked(wire: Wire) -> None:
    """One GET with our credential and what ties it to the request, without a body."""
    assert find(Accounts(account_service(wire, "opaque"), lifetime=30)) == FOUND
    [question] = wire.requests
    assert (question.method, question.url, question.body) == ("GET", f"{ACCOUNTS}/users/a-member/accounts", None)
    assert {**question.headers} == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": "Bearer opaque",
        "X-Request-ID": correlation().request_id,
        "traceparent": correlation().traceparent,
        "tracestate": "vendor=1",
    }


@pytest.mark.parametrize(
    ("user", "segment"),
    [
        ("a/../b", "a%2F..%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E%2E%2E"),
        ("../accounts", "..%2Faccounts"),
        ("a?b#c", "a%3Fb%23c"),
        ("a b+c", "a%20b%2Bc"),
        ("%2e%2E/", "%252e%252E%2F"),
        ("zoë😀", "zo%C3%AB%F0%9F%98%80"),
        ("auth0|5f:7;@&=", "auth0%7C5f%3A7%3B%40%26%3D"),
        ("a\\b", "a%5Cb"),
        ("A-z_0.9~", "A-z_0.9~"),
    ],
)
def test_user_id_is_one_segment(accounts: Accounts, wire: Wire, user: str, segment: str) -> None:
    """An id is opaque: whatever it holds, it names one user and no other path (RFC 3986 section 3.3)."""
    with pytest.raises(NoAccountError):
        find(accounts, user)
    assert [request.url for request in wire.requests] == [f"{ACCOUNTS}/users/{segment}/accounts"]


FAILURES: dict[str, Callable[[str], Answer]] = {
    **{str(status): answering(status=status) for status in (201, 204, 301, 400, 401, 403, 429, 500, 503)},
    "not sent": lambda _: NothingSentError("refused"),
    "no answer": lambda _: NoAnswerError("deadline"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_not_kept(accounts: Accounts, wire: Wire, failure: str) -> None:
    """A service that is down is 500 and never "no account"; the next request asks again."""
    good, wire.answer_accounts = wire.answer_accounts, FAILURES[failure]
    with pytest.raises(AccountServiceUnavailableError):
        find(accounts)
    wire.answer_accounts = good
    assert find(accounts) == FOUND


def entry(**changes: object) -> dict[str, Any]:
    """An answer with one account, changed so."""
    return {"accounts": [{**account(ACME), **changes}]}


def without(name: str) -> dict[str, Any]:
    """An answer with one account that lacks this."""
    return {"accounts": [{key: value for key, value in account(ACME).items() if key != name}]}


IDS: list[Any] = ["", 7, None, ["a"], True]
COMPANIES: list[Any] = [7, None, [ACME], {}]
ROLES: list[Any] = ["conversations", None, {"conversations": 1}, [["a"]], [{}]]
MALFORMED: dict[str, bytes | Any] = {
    "nothing": b"",
    "HTML": b"<html>",
    "latin-1": '{"accounts": [], "a": "é"}'.encode("latin-1"),
    "UTF-16": '{"accounts": []}'.encode("utf-16"),
    "deep": b"[" * 60_000,
    "a list": [],
    "a text": "accounts",
    "null": None,
    "no accounts": {"account": []},
    "accounts null": {"accounts": None},
    "accounts a number": {"accounts": 1},
    "accounts true": {"accounts": True},
    "accounts a text": {"accounts": "none"},
    "accounts an object": {"accounts": {"a": account(ACME)}},
    "an entry null": {"accounts": [account(ACME), None]},
    "an entry a text": {"accounts": ["a"]},
    "an entry a list": {"accounts": [[]]},
    **{f"without {name}": without(name) for name in ("account_id", "company_id", "active", "roles")},
    **{f"account_id {value!r}": entry(account_id=value) for value in IDS},
    **{f"company_id {value!r}": entry(company_id=value) for value in COMPANIES},
    **{f"roles {value!r}": entry(roles=value) for value in ROLES},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_answer(accounts: Accounts, wire: Wire, case: str) -> None:
    """What is not the account service's answer is a failure of it: 500, and not kept."""
    document = MALFORMED[case]
    wire.answer_accounts = answering(body=document) if isinstance(document, bytes) else answering(document)
    for _ in range(2):
        with pytest.raises(AccountServiceUnavailableError):
            find(accounts)
    assert len(wire.lookups) == 2


def test_account_id_that_nobody_can_write(accounts: Accounts, wire: Wire) -> None:
    """UTF-8 has no lone surrogates, so such an id could not be sent to the chat service."""
    wire.answer_accounts = answering(entry(account_id="a\ud800"))
    with pytest.raises(AccountServiceUnavailableError):
        find(accounts)


@pytest.mark.parametrize("nothing", [{}, ""], ids=["object", "text"])
def test_only_a_list_can_be_empty(accounts: Accounts, wire: Wire, nothing: object) -> None:
    """The same for an answer whose `accounts` is empty and no list."""
    wire.answer_accounts = answering({"accounts": nothing})
    with pytest.raises(AccountServiceUnavailableError):
        find(accounts)


REFUSED: list[tuple[dict[str, Any], type[ServiceError]]] = [
    ({"active": False}, ForbiddenError),
    ({"active": None}, ForbiddenError),
    ({"active": 1}, ForbiddenError),
    ({"active": "true"}, ForbiddenError),
    ({"roles": []}, ForbiddenError),
    ({"roles": ["Conversations", "conversation"]}, ForbiddenError),
    ({"company_id": GLOBEX}, NoAccountError),
    ({"company_id": f"{{{ACME}}}"}, NoAccountError),
    ({"company_id": ACME.replace("-", "")}, NoAccountError),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED, ids=str)
def test_account_that_may_not(
    accounts: Accounts, wire: Wire, changes: dict[str, Any], error: type[ServiceError]
) -> None:
    """403 for an account in the company that is inactive or without the role; 400 for no account there."""
    wire.answer_accounts = answering(entry(**changes))
    with pytest.raises(error):
        find(accounts)


def test_company_id_in_capitals(accounts: Accounts, wire: Wire) -> None:
    """The account service may write ids in capitals; here they are in their canonical form."""
    wire.answer_accounts = answering({"accounts": [account(ACME.upper(), more="of a newer edition")]})
    assert find(accounts) == Account("account-A1B2", ACME, active=True, roles=frozenset({"conversations"}))


def test_the_account_that_may_counts(accounts: Accounts, wire: Wire) -> None:
    """Among several in one company, the first that is active and has the role."""
    old, guest = account(ACME, active=False), account(ACME, roles=[])
    mine, other = account(ACME, account_id="mine"), account(ACME)
    wire.answer_accounts = answering({"accounts": [old, guest, mine, other]})
    assert find(accounts).id == "mine"
