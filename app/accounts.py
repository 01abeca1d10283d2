"""Which account a user has in a company: asked of the account service, believed for a while."""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

from app.errors import AccountServiceUnavailableError, ForbiddenError, NoAccountError
from app.principals import LONGEST_REMEMBERED_ID, Account, User
from app.upstream.exchange import INVALID_ANSWER, Correlation, Exchanged, Service, status_class
from app.upstream.transport import TransportError

_OK, _NOT_FOUND = 200, 404
# The least recently used users are forgotten beyond this many, they and their accounts: some 20 MB.
_LARGEST = 40_000


class _Question:
    """One look-up under way, and until when its answer will be believed."""

    __slots__ = ("answer", "expires")

    def __init__(self, expires: float) -> None:
        self.expires = expires
        self.answer: Future[tuple[Account, ...]] = Future()


class Accounts:
    """Looks accounts up: at most one question per user is under way, and its answer, also "none", is kept.

    An answer is believed for `lifetime` seconds. A failure is never kept, but shared by those who waited for it.
    """

    def __init__(self, service: Service, *, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._lifetime = lifetime
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[User, tuple[float, tuple[Account, ...]]] = OrderedDict()
        self._size = 0
        self._asked: dict[User, _Question] = {}

    def find(self, user: User, company_id: str, role: str, correlation: Correlation) -> Account:
        """The user's active account in the company, with the role.

        Raises NoAccountError, ForbiddenError (inactive, or without the role), OverloadedError, or
        AccountServiceUnavailableError.
        """
        accounts = self._remembered(user)
        if accounts is None:
            with self._service.slots:
                accounts = self._ask_once(user, correlation)
        # Unless this request has asked itself, the answer is that of an earlier one.
        correlation.exchanges.setdefault(self._service.breaker.service, Exchanged())
        mine = [account for account in accounts if account.company_id == company_id]
        if not mine:
            raise NoAccountError
        for account in mine:
            if account.active and role in account.roles:
                return account
        raise ForbiddenError

    def _remembered(self, user: User) -> tuple[Account, ...] | None:
        with self._lock:
            return self._believed(user)

    def _believed(self, user: User) -> tuple[Account, ...] | None:
        kept = self._known.get(user)
        if kept is None or kept[0] <= self._clock():
            return None
        self._known.move_to_end(user)
        return kept[1]

    def _ask_once(self, user: User, correlation: Correlation) -> tuple[Account, ...]:
        """The answer to this user's question, put by the first and shared with those who come meanwhile."""
        with self._lock:
            # The answer may have come since this thread looked.
            accounts = self._believed(user)
            if accounts is not None:
                return accounts
            question = self._asked.get(user)
            # Nobody waits for an answer that will be too old when it comes.
            is_mine = question is None or question.expires <= self._clock()
            if question is None or is_mine:
                # The age of an answer counts from the question, when it was certainly true.
                question = self._asked[user] = _Question(self._clock() + self._lifetime)
        if is_mine:
            self._settle(user, question, correlation)
        return question.answer.result()

    def _settle(self, user: User, question: _Question, correlation: Correlation) -> None:
        try:
            accounts = self._ask(user, correlation)
        except BaseException as error:  # noqa: BLE001 - handed to every waiter, this thread included, by result()
            self._forget_question(user, question)
            question.answer.set_exception(error)
            return
        self._remember(user, question.expires, accounts)
        self._forget_question(user, question)
        question.answer.set_result(accounts)

    def _remember(self, user: User, expires: float, accounts: tuple[Account, ...]) -> None:
        if len(user.id) > LONGEST_REMEMBERED_ID:
            return
        with self._lock:
            _, before = self._known.pop(user, (0.0, None))
            self._known[user] = (expires, accounts)
            self._size += _size(accounts) - _size(before)
            while self._size > _LARGEST:
                _, (_, forgotten) = self._known.popitem(last=False)
                self._size -= _size(forgotten)

    def _forget_question(self, user: User, question: _Question) -> None:
        with self._lock:
            # Whoever found it too old has asked anew.
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


def _size(accounts: tuple[Account, ...] | None) -> int:
    """How much room a user takes that is remembered with these: each account as much as the user."""
    return 0 if accounts is None else 1 + len(accounts)


def _segment(text: str) -> str:
    """The text as one path segment, `.` and `..` included.

    A gateway that decodes paths before it passes them on takes parts of it for directions all the same
    (docs/operating/README.md).
    """
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _read(body: bytes) -> tuple[Account, ...]:
    """The accounts in the service's answer; raises AccountServiceUnavailableError for anything else."""
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
    # A lone surrogate could not be sent on.
    account_id.encode()
    return Account(account_id, entry["company_id"].lower(), entry["active"] is True, frozenset(roles))
