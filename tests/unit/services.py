"""The account and the chat service as ours sees them, with the stand-in for the network in between."""

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts import Accounts
from app.chat.conversations import Conversations
from app.errors import ServiceError
from app.principals import Account, User
from app.upstream.breaker import Breaker
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NothingSentError
from tests.people import ACME, CONVERSATION, ISSUER
from tests.wire import ACCOUNTS, CHAT, Answer, Wire, reply, sent_message

FOUND = Account("account-a1b2", ACME, active=True, roles=frozenset({"conversations"}))
SENDER = Account("account 7/ü", ACME, active=True, roles=frozenset())
# As many as ask at once where many do.
CROWD = 20
# What the chat service answers to a message.
GOOD = sent_message(CONVERSATION, "Hello")


def correlation() -> Correlation:
    """That of a new request."""
    return Correlation("request-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1")


def account_service(wire: Wire, token: str | None = None, slots: Slots | None = None) -> Service:
    """The account service, behind the stand-in for the network; with one place unless given."""
    breaker = Breaker("account", 1000)
    return Service(ACCOUNTS, token=token, timeout=60, transport=wire, breaker=breaker, slots=slots or Slots(1))


def find(accounts: Accounts, user: str = "a-member", company: str = ACME) -> Account:
    """The account of this user in this company."""
    return accounts.find(User(ISSUER, user), company, "conversations", correlation())


def answering(
    document: object = None, status: int = 200, body: bytes | None = None, **headers: str
) -> Callable[..., Answer]:
    """The same answer to every request."""
    return lambda *_: reply(status, document, body=body, **headers)


def behind(wire: Wire, token: str | None = None, slots: int = 1) -> Service:
    """The chat service, with so many places."""
    breaker = Breaker("chat", 1000)
    return Service(CHAT, token=token, timeout=60, transport=wire, breaker=breaker, slots=Slots(slots))


def chat_service(wire: Wire, token: str | None = None, request: Correlation | None = None) -> Conversations:
    """The chat service on behalf of a request, a new one unless given."""
    return Conversations(behind(wire, token), ACME, request or correlation(), "key-1")


def send(chat: Conversations, text: str = "Hello", account: Account = SENDER) -> dict[str, Any]:
    """Send a text in the tests' conversation."""
    return chat.send(account, CONVERSATION, text)


def failure(answer: Callable[..., Answer]) -> ServiceError:
    """What a send ends with that is answered so; it is tried again only when nothing was sent."""
    wire = Wire()
    wire.answer_chat = answer
    with pytest.raises(ServiceError) as caught:
        send(chat_service(wire))
    assert len(wire.chats) == (2 if isinstance(caught.value.__cause__, NothingSentError) else 1)
    return caught.value
