"""Lookup of users' accounts at the account service, with a cache."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from sys import getsizeof
from typing import Any
from urllib.parse import quote

from app.errors import AccountServiceUnavailableError, ForbiddenError, NoAccountError
from app.principals import LONGEST_REMEMBERED_ID, Account, User
from app.upstream.exchange import INVALID_ANSWER, Correlation, Exchanged, Service, status_class
from app.upstream.transport import TransportError

# Some 5,000 accounts: whoever has one in each company must not be told that the service is down.
MAX_ANSWER_BYTES = 1_048_576
_OK, _NOT_FOUND = 200, 404
# A lookup that has not ended so many seconds after its deadline never will: its thread has failed.
_SLACK = 1.0
# Sizes of users in the cache (`_size`), about 20 MB; beyond this, the least recently used users are evicted.
_LARGEST = 40_000
# Bytes of ids and roles that the size of an account has room for, and those of a role beside itself.
_ROOM, _ROLE = 500, 50


class _Question:
    """One lookup in flight, when its answer expires, and until when it is worth waiting for."""

    __slots__ = ("answer", "expires", "until")

    def __init__(self, expires: float, until: float) -> None:
        self.expires = expires
        self.until = min(expires, until)
        self.answer: Future[tuple[Account, ...]] = Future()


class Accounts:
    """Looks up accounts: concurrent callers for a user share one lookup, and its answer, even "none", is cached.

    An answer is valid for `lifetime` seconds. A failure is never cached, but everyone waiting for it gets it.
    """

    def __init__(self, service: Service, *, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._lifetime = lifetime
        self._patience = service.timeout + _SLACK
        self._clock = clock
        self._lock = threading.Lock()
        # When it expires, the accounts, and their size.
        self._known: OrderedDict[User, tuple[float, tuple[Account, ...], int]] = OrderedDict()
        self._size = 0
        self._asked: dict[User, _Question] = {}

    def find(self, user: User, company_id: str, role: str, correlation: Correlation) -> Account:
        """Return the user's active account that has the role in the company.

        Raises NoAccountError, ForbiddenError (inactive, or without the role), OverloadedError, or
        AccountServiceUnavailableError.
        """
        with self._lock:
            accounts = self._believed(user)
        if accounts is None:
            with self._service.slots:
                accounts = self._ask_once(user, correlation)
        # No attempts, unless this request did the lookup: the answer came from the cache or another request.
        correlation.exchanges.setdefault(self._service.breaker.service, Exchanged())
        mine = [account for account in accounts if account.company_id == company_id]
        if not mine:
            raise NoAccountError
        for account in mine:
            if account.active and role in account.roles:
                return account
        raise ForbiddenError

    def _believed(self, user: User) -> tuple[Account, ...] | None:
        """Return the user's accounts if their lookup is still believed. Takes no lock: callers hold it."""
        kept = self._known.get(user)
        if kept is None or kept[0] <= self._clock():
            return None
        self._known.move_to_end(user)
        return kept[1]

    def _ask_once(self, user: User, correlation: Correlation) -> tuple[Account, ...]:
        """Look the user up, or wait for the lookup that another thread has in flight."""
        with self._lock:
            # Another thread may have cached the answer since the first check.
            accounts = self._believed(user)
            if accounts is not None:
                return accounts
            question, now = self._asked.get(user), self._clock()
            # An answer that has expired before it came is not worth waiting for.
            is_mine = question is None or question.until <= now
            if question is None or is_mine:
                # The lifetime starts with the lookup: its answer may already be old when it arrives.
                question = self._asked[user] = _Question(now + self._lifetime, now + self._patience)
        if is_mine:
            self._settle(user, question, correlation)
        try:
            return question.answer.result(self._patience)
        except TimeoutError as error:
            raise AccountServiceUnavailableError(reason="deadline") from error

    def _settle(self, user: User, question: _Question, correlation: Correlation) -> None:
        try:
            accounts = self._ask(user, correlation)
            self._remember(user, question.expires, accounts)
        except BaseException as error:  # noqa: BLE001 - raised by result() in every waiter, this thread included
            self._forget_question(user, question)
            question.answer.set_exception(error)
        else:
            self._forget_question(user, question)
            question.answer.set_result(accounts)

    def _remember(self, user: User, expires: float, accounts: tuple[Account, ...]) -> None:
        if len(user.id) > LONGEST_REMEMBERED_ID:
            return
        size = _size(accounts)
        with self._lock:
            until, _, before = self._known.get(user, (0.0, (), 0))
            if until > expires:
                # Another thread found this lookup late, and has had the answer of its own since.
                return
            self._known[user] = (expires, accounts, size)
            self._known.move_to_end(user)
            self._size += size - before
            while self._size > _LARGEST:
                _, (_, _, forgotten) = self._known.popitem(last=False)
                self._size -= forgotten

    def _forget_question(self, user: User, question: _Question) -> None:
        with self._lock:
            # Another thread may have found this lookup expired and replaced it.
            if self._asked.get(user) is question:
                del self._asked[user]

    def _ask(self, user: User, correlation: Correlation) -> tuple[Account, ...]:
        path = f"/users/{_segment(user.id)}/accounts"
        try:
            response = self._service.exchange("GET", path, correlation)
        except TransportError as error:
            raise AccountServiceUnavailableError(reason=error.reason) from error
        if response.status_code == _NOT_FOUND:
            return ()
        if response.status_code != _OK:
            raise AccountServiceUnavailableError(reason=status_class(response))
        return _read(response.content)


def _size(accounts: tuple[Account, ...]) -> int:
    """Return the size of a user's cache entry, by some 500 bytes: one for the user, one or more per account.

    An answer of 1 MiB may consist of a single account, of one long id or 100,000 short roles.
    """
    return 1 + sum(1 + _bytes(account) // _ROOM for account in accounts)


def _bytes(account: Account) -> int:
    roles = sum(_ROLE + getsizeof(role) for role in account.roles)
    return getsizeof(account.id) + getsizeof(account.company_id) + roles


def _segment(text: str) -> str:
    """Quote the text as one path segment, even `.` and `..`.

    A gateway that decodes paths before forwarding them still resolves the `/` and `..` in it
    (docs/operating/README.md).
    """
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _read(body: bytes) -> tuple[Account, ...]:
    """Parse the accounts in a response body; raises AccountServiceUnavailableError if it is invalid."""
    try:
        return tuple(map(_account, _entries(json.loads(body.decode())["accounts"])))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise AccountServiceUnavailableError(reason=INVALID_ANSWER) from error


def _entries(accounts: object) -> list[dict[str, Any]]:
    if not isinstance(accounts, list):
        raise TypeError
    return accounts


def _account(entry: dict[str, Any]) -> Account:
    account_id, roles = entry["account_id"], entry["roles"]
    if not (isinstance(account_id, str) and account_id and isinstance(roles, list)):
        raise TypeError
    # Raises for a lone surrogate, which could not be encoded for the chat service.
    account_id.encode()
    return Account(account_id, entry["company_id"].lower(), entry["active"] is True, frozenset(roles))
