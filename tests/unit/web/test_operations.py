"""An application does not start with an operation that is declared wrongly."""

import pytest

from app.schemas import Answer, Paging, page_of
from app.web.bodies import gives, takes
from app.web.declarations import DeclarationError, public
from app.web.guards import company_scoped
from app.web.operations import operations
from app.web.sending import sends
from config.checks import rate_limit
from tests.unit.web.careless import (
    Acting,
    Careless,
    Company,
    Dashed,
    Defaulted,
    Generous,
    Hidden,
    Inclusive,
    Posing,
    Renamed,
    Sharing,
    Speechless,
    Spelled,
    Strict,
    Within,
    asynchronous,
    narrow,
    silent,
)
from tests.unit.web.declared import GIVES, GUARD, Decorator, Name, application, around

GUARD_OF_BODY = company_scoped(role="contacts", company_in="body")


@pytest.mark.parametrize(
    ("path", "method", "decorators"),
    [
        ("/a/<company_id>", "GET", [GUARD, GIVES]),
        ("/a/<company_id>/<contact_id>", "DELETE", [GUARD, GIVES]),
        ("/a/<company_id>", "GET", [GUARD, takes(Paging, location="query"), GIVES]),
        ("/a/<company_id>", "PUT", [GUARD, takes(Name), takes(Paging, location="query"), GIVES]),
        ("/a/<company_id>", "POST", [GUARD, takes(Name), sends, GIVES]),
        ("/a/<company_id>", "POST", [GUARD, takes(Defaulted), GIVES]),
        ("/a/<company_id>", "POST", [GUARD, takes(Sharing), GIVES]),
        ("/a/<company_id>/<account_id>", "GET", [GUARD, GIVES]),
        ("/a/<contact_id>", "POST", [GUARD_OF_BODY, takes(Name), GIVES]),
        ("/a/<company_id>", "GET", [company_scoped(role="contacts", limit="5 per hour"), GIVES]),
    ],
)
def test_what_is_declared_whole_is_an_operation(path: str, method: str, decorators: list[Decorator]) -> None:
    """Its method, path, name and role are what was declared."""
    (operation,) = operations(application(path, method, *decorators), rate_limit)
    assert (operation.method, operation.rule, operation.name) == (method, path, "view")
    assert operation.declaration.role == "contacts"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_what_is_public_is_left_alone(method: str) -> None:
    """It is nobody's operation and has no form to keep."""
    assert operations(application("/a/<name>", method, public), rate_limit) == []


@pytest.mark.parametrize(
    ("path", "method", "decorators", "told"),
    [
        ("/a/<company_id>", "GET", [], "anybody could call it"),
        ("/a/<company_id>", "POST", [takes(Name), GIVES], "anybody could call it"),
        ("/a/<company_id>", "GET", [public, GUARD, GIVES], "it is company-scoped and public"),
        ("/a/<company_id>", "GET", [GUARD, public, GIVES], "it is company-scoped and public"),
        ("/a/<company_id>", "PATCH", [GUARD, takes(Name), GIVES], "operations are GET, POST, PUT or DELETE"),
        ("/a/<company_id>", "GET", [GUARD], "nobody knows what it answers"),
        ("/a/<company_id>", "POST", [GUARD, GIVES], "nobody checks its body"),
        ("/a/<company_id>", "PUT", [GUARD, takes(Paging, location="query"), GIVES], "nobody checks its body"),
        ("/a/<company_id>", "GET", [GUARD, takes(Name), GIVES], "a GET or DELETE has no body"),
        ("/a/<company_id>", "DELETE", [GUARD, takes(Name), GIVES], "a GET or DELETE has no body"),
        ("/a", "GET", [GUARD, GIVES], "it names no company"),
        (
            "/a/<company_id>",
            "POST",
            [GUARD_OF_BODY, takes(Name), GIVES],
            'company_in="body" is for a path',
        ),
        ("/a", "GET", [GUARD_OF_BODY, GIVES], 'company_in="body" is for a path'),
        ("/a", "POST", [GUARD_OF_BODY, takes(Company), GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Company), GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Renamed), GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Spelled), GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Dashed), GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Hidden), GIVES], "the guard alone takes the company id"),
        (
            "/a/<company_id>",
            "GET",
            [GUARD, takes(Company, location="query"), GIVES],
            "the guard alone takes the company id",
        ),
        ("/a/<company_id>", "POST", [GUARD, takes(Acting), GIVES], "the guard alone finds the caller's account"),
        ("/a/<company_id>", "POST", [GUARD, takes(Posing), GIVES], "the guard alone finds the caller's account"),
        (
            "/a/<company_id>",
            "GET",
            [GUARD, takes(Acting, location="query"), GIVES],
            "the guard alone finds the caller's account",
        ),
        ("/a/<company_id>/<to_company_id>", "GET", [GUARD, GIVES], "the guard alone takes the company id"),
        ("/a/<company_id>", "POST", [GUARD, takes(Careless), GIVES], "schemas drop fields that they do not name"),
        ("/a/<company_id>", "POST", [GUARD, takes(Defaulted), sends, GIVES], "a key would not fit a message"),
        (
            "/a/<company_id>",
            "POST",
            [GUARD, takes(Inclusive), GIVES],
            "schemas drop fields that they do not name",
        ),
        ("/a/<company_id>", "POST", [GUARD, takes(Within), GIVES], "schemas drop fields that they do not name"),
        ("/a/<company_id>", "POST", [GUARD, takes(Strict), GIVES], "schemas drop fields that they do not name"),
        (
            "/a/<company_id>",
            "GET",
            [GUARD, gives("Done!", page_of(Generous))],
            "schemas drop fields that they do not name",
        ),
        ("/a/<company_id>", "PUT", [GUARD, takes(Name), sends, GIVES], "what sends is a POST"),
        ("/a/<contact_id>", "GET", [public], "nobody checks who may see what its ids name"),
        ("/a/<company_id>", "POST", [GUARD, takes(Speechless), GIVES], "its schema has no `refusal`"),
        ("/a/<company_id>/<name>", "GET", [GUARD, GIVES], "parts of a path are ids: let their names"),
        ("/a/<company_id>", "GET", [company_scoped(role="a", limit="often"), GIVES], "its limit is not one"),
        ("/a/<company_id>", "GET", [company_scoped(role="a", limit="1/s;2/h"), GIVES], "its limit is not one"),
        ("/a/<company_id>", "GET", [company_scoped(role="a", limit="0/s"), GIVES], "its limit is not one"),
        ("/a/<company_id>", "GET", [company_scoped(role="a", limit="0 per day"), GIVES], "its limit is not one"),
        ("/a/<company_id>", "GET", [company_scoped(role="a", limit="1 per 9 years"), GIVES], "its limit is not"),
        ("/a/<company_id>", "GET", [company_scoped(role=""), GIVES], "its role is empty"),
        ("/a/<company_id>", "GET", [GUARD, gives("Done!", Answer, under="message")], "its sentence stands under"),
        ("/a/<company_id>", "GET", [GUARD, GIVES, silent], "nobody can read what it does: write a docstring"),
        ("/a/<company_id>", "GET", [GUARD, GIVES, asynchronous], "views are synchronous"),
        ("/a/<company_id>/<contact_id>", "GET", [GUARD, GIVES, narrow], "its view gets the ids of the path"),
        ("/a/<company_id>", "POST", [GUARD, takes(Name), GIVES, narrow], "its view gets the ids of the path"),
        (
            "/a/<company_id>",
            "GET",
            [GUARD, takes(Paging, location="query"), GIVES, narrow],
            "its view gets the ids of the path",
        ),
        ("/a/<company_id>", "OPTIONS", [], "anybody could call it"),
        ("/a/<company_id>", "HEAD", [], "anybody could call it"),
        ("/a/<company_id>", "OPTIONS", [GUARD, GIVES], "operations are GET, POST, PUT or DELETE"),
        ("/a/<company_id>", "GET", [around, GUARD, GIVES], "anybody could call it"),
        ("/a/<company_id>", "GET", [GUARD, around, GIVES], "nobody knows what it answers"),
        ("/a/<company_id>", "GET", [GUARD, GUARD, GIVES], "write its decorators in this order, each once"),
        ("/a/<uuid:company_id>", "GET", [GUARD, GIVES], "parts of a path are text"),
        ("/a/<company_id>/", "GET", [GUARD, GIVES], "a path without its last slash would be another"),
        ("/a/", "GET", [public], "a path without its last slash would be another"),
        ("/a/<company_id>", "POST", [takes(Name), GUARD, GIVES], "write its decorators in this order"),
        ("/a/<company_id>", "POST", [GUARD, sends, takes(Name), GIVES], "write its decorators in this order"),
        ("/a/<company_id>", "POST", [GUARD, takes(Name), GIVES, sends], "write its decorators in this order"),
    ],
)
def test_what_is_not_declared_whole_is_told(
    path: str, method: str, decorators: list[Decorator], told: str
) -> None:
    """In a sentence that names it and says what to do."""
    with pytest.raises(DeclarationError) as caught:
        operations(application(path, method, *decorators), rate_limit)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{method} {path} (tag.view): {told}")


def test_every_problem_is_told_at_once() -> None:
    """Each problem of an operation has a line of its own in one message."""
    app = application("/a/<name>", "POST", company_scoped(role="a", limit="often"))
    with pytest.raises(DeclarationError) as caught:
        operations(app, rate_limit)
    assert len(str(caught.value).splitlines()) == 5
