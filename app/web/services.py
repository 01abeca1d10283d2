"""Typed access to the collaborators that the factory created for the application."""

import os
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import current_app

from app.accounts import Accounts
from app.chat.client import Client
from app.idempotency import Idempotency
from app.tokens.verifier import TokenVerifier
from app.upstream.exchange import Service
from app.upstream.slots import Slots
from app.web.limits import Limits
from app.web.monitoring import Monitor
from app.web.state import current_state

C = TypeVar("C", bound=Client)

_KEY = "send-message"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of one application; two applications in a process share none.

    `readers` limits how many threads wait for clients that read large responses.
    """

    tokens: TokenVerifier
    limits: Limits
    accounts: Accounts
    chat: Service
    idempotency: Idempotency
    largest_body: int
    readers: Slots
    monitor: Monitor


def install(extensions: dict[str, Any], services: Services) -> None:
    """Store the collaborators where the accessors find them."""
    extensions[_KEY] = services


def services() -> Services:
    """Return the collaborators of the current application."""
    # Bypasses Flask's proxy, which takes three calls per access.
    found: Services = current_app._get_current_object().extensions[_KEY]  # type: ignore[attr-defined] # noqa: SLF001 - documented method of LocalProxy
    return found


def chat(client: type[C]) -> C:
    """Create this client of the chat service for the company that the guard admitted the current request to."""
    state = current_state()
    key = state.attempt.sent_as if state.attempt else os.urandom(16).hex()
    return client(services().chat, state.ids["company"], state.correlation, key)
