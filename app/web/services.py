"""What the factory made for this application, by typed accessors."""

import os
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import current_app

from app.accounts import Accounts
from app.chat.client import Client, Line
from app.idempotency import Idempotency
from app.tokens.verifier import TokenVerifier
from app.upstream.slots import Slots
from app.web.limits import Limits
from app.web.state import state
from app.web.watching import Watch

C = TypeVar("C", bound=Client)

_KEY = "send-message"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of one application; two applications in a process share none.

    `readers` bounds how many threads wait for clients that read large files.
    """

    tokens: TokenVerifier
    limits: Limits
    accounts: Accounts
    chat: Line
    idempotency: Idempotency
    largest_body: int
    readers: Slots
    watch: Watch


def install(extensions: dict[str, Any], services: Services) -> None:
    """Keep the collaborators where the accessors look."""
    extensions[_KEY] = services


def services() -> Services:
    """The collaborators of the current application."""
    # The application itself: a look through Flask's proxy takes three calls.
    found: Services = current_app._get_current_object().extensions[_KEY]  # type: ignore[attr-defined] # noqa: SLF001 - of LocalProxy, documented
    return found


def chat(client: type[C]) -> C:
    """This client of the chat service, on behalf of the current request."""
    known = state()
    key = known.attempt.sent_as if known.attempt else os.urandom(16).hex()
    return client(services().chat, known.correlation, key)
