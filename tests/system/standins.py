"""Stand-ins for the account and the chat service: on real sockets, programmable, and with a ledger."""

import re
import threading
from typing import Any, Self
from urllib.parse import unquote

from tests.people import ACME, MEMBERS, account
from tests.system.behaviours import Behaviour, Entry, delivers, http_answer
from tests.system.listeners import Listener, Received
from tests.system.processes import PATIENCE
from tests.unit.upstream.peers import Caller

_LOOKUP = re.compile(r"/accounts/users/([^/]*)/accounts")
_SEND = re.compile(r"/chat/send-message/([^/]*)/([^/]*)")


class Ledger:
    """What reached the chat service, in order; an entry is written before anything is answered to it."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._changed = threading.Condition()

    def write(self, entry: Entry) -> None:
        """Add an entry."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    @property
    def entries(self) -> list[Entry]:
        """All so far."""
        with self._changed:
            return list(self._entries)

    def await_entries(self, count: int, seconds: float = PATIENCE) -> None:
        """Return when there are at least so many; fails after `seconds`."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._entries) >= count, seconds)
            assert came, f"{len(self._entries)} of {count} messages reached the chat service"


class Services:
    """Both services on one port, for one `with` block.

    `accounts` has the entries of each user; one who is not in it is nobody (404), except that everybody whose
    name begins with `a-member` is one of ACME. What the chat service does is looked up in `behaviours` by the
    conversation's id, then by the message's text; it delivers what is in neither. Whatever else it is asked, it
    answers `otherwise`, or 404.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, list[dict[str, Any]]] = dict(MEMBERS)
        self.behaviours: dict[str, Behaviour] = {}
        self.otherwise: object = None
        self.ledger = Ledger()
        self.lookups: list[str] = []
        self._listener = Listener(self._respond)
        self.account_url = f"http://127.0.0.1:{self._listener.port}/accounts"
        self.chat_url = f"http://127.0.0.1:{self._listener.port}/chat"

    def __enter__(self) -> Self:
        self._listener.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.__exit__()

    def _respond(self, caller: Caller, request: Received) -> None:
        lookup, send = _LOOKUP.fullmatch(request.path), _SEND.fullmatch(request.path)
        if lookup and request.method == "GET":
            self._tell_accounts(caller, unquote(lookup[1]))
        elif send and request.method == "POST":
            self._take(caller, request, company_id=send[1], conversation_id=send[2])
        elif request.path.startswith("/chat/") and self.otherwise is not None:
            caller.send(http_answer(200, self.otherwise))
        else:
            caller.send(http_answer(404))

    def _tell_accounts(self, caller: Caller, user: str) -> None:
        self.lookups.append(user)
        known = self.accounts.get(user, [account(ACME)] if user.startswith("a-member") else None)
        caller.send(http_answer(404) if known is None else http_answer(200, {"accounts": known}))

    def _take(self, caller: Caller, request: Received, *, company_id: str, conversation_id: str) -> None:
        document = request.document
        entry = Entry(
            request_id=request.headers["x-request-id"],
            idempotency_key=request.headers["idempotency-key"],
            company_id=company_id,
            conversation_id=conversation_id,
            account_id=document["account_id"],
            text=document["message_body"],
            traceparent=request.headers["traceparent"],
        )
        self.ledger.write(entry)
        by_id = self.behaviours.get(conversation_id)
        (by_id or self.behaviours.get(entry.text, delivers))(caller, entry)
