"""Applications of one view that is declared in this way or that."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask

from app.schemas import Answer, Body, text
from app.web.bodies import gives
from app.web.guards import company_scoped

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Name(Body):
    """A name."""

    refusal = "name must be provided!"
    name = text("Jane")


GUARD = company_scoped(role="contacts")


GIVES = gives("Done!", Answer)


def around(view: Callable[..., Any]) -> Callable[..., Any]:
    """What somebody else writes around views, and lets nobody through to them."""

    @wraps(view)
    def answering(**_: object) -> str:
        return "something else"

    return answering


def bare() -> Flask:
    """An application without views that answers nothing by itself, as the factory makes it."""
    app = Flask("app", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    return app


def application(path: str, method: str, *decorators: Decorator) -> Flask:
    """An application of one view, with these decorators from above to below."""

    def view(account: object, **_: object) -> dict[str, Any]:
        """Do it."""
        return {"account": account}

    decorated: Callable[..., Any] = view
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    app = bare()
    app.add_url_rule(path, "tag.view", decorated, methods=[method])
    return app
