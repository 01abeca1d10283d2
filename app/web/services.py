"""What the factory made for this application, by typed accessors."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, current_app

from app.accounts import Accounts
from app.chat.client import Client
from app.idempotency import Idempotency
from app.tokens.verifier import TokenVerifier
from app.upstream.exchange import Service
from app.upstream.slots import Slots
from app.web.limits import Limits
from app.web.state import state
from app.web.watching import Watch

C = TypeVar("C", bound=Client)

_KEY = "send-message"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of one application; two applications in a process share none.

    `readers` bounds how many threads wait for clients that read large answers.
    """

    tokens: TokenVerifier
    limits: Limits
    accounts: Accounts
    chat: Service
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


def in_turn(make: Callable[[], Response]) -> Response:
    """The response that it makes, large and for everybody, counted among the few such that may be on their way.

    More than a connection takes at once holds up a thread, for as long as its client may take to read it. Raises
    OverloadedError.
    """
    with ExitStack() as reading:
        reading.enter_context(services().readers)
        response = make()
        response.call_on_close(reading.pop_all().close)
    return response


def chat(client: type[C]) -> C:
    """This client of the chat service, on behalf of the current request."""
    known = state()
    key = known.attempt.sent_as if known.attempt else os.urandom(16).hex()
    return client(services().chat, known.correlation, key)
