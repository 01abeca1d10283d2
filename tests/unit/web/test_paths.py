"""An operation has a path and a name of its own, and nothing is answered in front of its guard."""

from typing import Any

import pytest
from werkzeug.routing import Rule

from app.web.bodies import takes
from app.web.declarations import DeclarationError, public
from app.web.guards import company_scoped
from app.web.operations import operations
from config.checks import rate_limit
from tests.unit.web.declared import GIVES, GUARD, Name, application, around, bare


@pytest.mark.parametrize(
    "options",
    [
        {"defaults": {"company_id": "acme"}},
        *({"redirect_to": "/b"}, {"subdomain": "b"}, {"host": "b.test"}, {"websocket": True}),
    ],
    ids=str,
)
def test_a_route_is_a_path_and_its_methods(options: dict[str, Any]) -> None:
    """Nobody has a default company, and nothing is answered before the guard."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    app.url_map.add(Rule("/b/<company_id>", endpoint="tag.other", methods=["GET"], **options))
    app.view_functions["tag.other"] = company_scoped(role="contacts")(GIVES(lambda account: account))
    with pytest.raises(DeclarationError, match="a route is a path and its methods"):
        operations(app, rate_limit)


def test_nothing_is_answered_in_front_of_the_guard() -> None:
    """A route may ask Flask to answer OPTIONS, which it does before any view."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    view = company_scoped(role="contacts")(GIVES(lambda account: account))
    methods = {"GET", "OPTIONS"}
    app.add_url_rule("/b/<company_id>", "tag.other", view, methods=methods, provide_automatic_options=True)
    with pytest.raises(DeclarationError, match=r"(?m)^OPTIONS /b/<company_id> .* operations are GET, POST"):
        operations(app, rate_limit)


def test_a_colon_in_a_path_is_no_converter() -> None:
    """It is a letter like others."""
    assert (
        len(operations(application("/a/<company_id>:archive", "POST", GUARD, takes(Name), GIVES), rate_limit)) == 1
    )


def test_an_operation_has_a_name_of_its_own() -> None:
    """The document and the windows go by it: neither two rules of a view nor two views of a name."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    app.add_url_rule("/b/<company_id>", "tag.view", app.view_functions["tag.view"], methods=["GET"])
    app.add_url_rule("/c/<company_id>", "other.view", app.view_functions["tag.view"], methods=["GET"])
    with pytest.raises(DeclarationError) as caught:
        operations(app, rate_limit)
    told = [line.partition(" (")[0] for line in str(caught.value).splitlines()]
    assert told == ["GET /b/<company_id>", "GET /c/<company_id>"]


def test_a_guard_that_flask_does_not_see_guards_nothing() -> None:
    """Written above the route it is not what Flask calls."""
    app = bare()
    GUARD(app.get("/a/<company_id>")(GIVES(lambda account: {"account": account})))
    with pytest.raises(DeclarationError, match="anybody could call it"):
        operations(app, rate_limit)


def test_what_is_next_to_the_view_is_its_own() -> None:
    """A decorator below ours lets nobody past them, whatever it does."""
    assert len(operations(application("/a/<company_id>", "GET", GUARD, GIVES, around), rate_limit)) == 1


def test_an_operation_has_a_path_of_its_own() -> None:
    """Of two with the same one would never be asked, and which one is not said anywhere."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    app.add_url_rule("/a/<other_id>", "other", public(lambda other_id: other_id), methods=["GET"])
    with pytest.raises(DeclarationError, match="another operation has this method and path"):
        operations(app, rate_limit)
