"""What the factory made for this application, by typed accessors."""

import os
from dataclasses import dataclass
from typing import Any

from flask import current_app

from app.accounts import Accounts
from app.chat import ChatService
from app.idempotency import Idempotency
from app.principals import Account
from app.tokens.verifier import TokenVerifier
from app.web.limits import Limits
from app.web.state import state

_KEY = "send-message"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of one application; two applications in a process share none."""

    tokens: TokenVerifier
    limits: Limits
    accounts: Accounts
    chat: ChatService
    idempotency: Idempotency
    largest_body: int


def install(extensions: dict[str, Any], services: Services) -> None:
    """Keep the collaborators where the accessors look."""
    extensions[_KEY] = services


def services() -> Services:
    """The collaborators of the current application."""
    found: Services = current_app.extensions[_KEY]
    return found


class Chat:
    """The chat service, on behalf of the current request."""

    def send(self, account: Account, conversation_id: str, text: str) -> dict[str, Any]:
        """Send the text as the account; see ChatService.send."""
        known = state()
        key = known.attempt.key if known.attempt else os.urandom(16).hex()
        return services().chat.send(account, conversation_id, text, key=key, correlation=known.correlation)


def chat() -> Chat:
    """The chat service, on behalf of the current request."""
    return Chat()
