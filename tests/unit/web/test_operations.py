"""An application does not start with an operation that is declared wrongly."""

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import pytest
from flask import Blueprint, Flask
from marshmallow import INCLUDE, RAISE, Schema, fields
from werkzeug.routing import Rule

from app.schemas import Answer, Body, Digits, JsonBoolean, Paging, page_of, text
from app.web.bodies import gives, takes
from app.web.declarations import DeclarationError, public
from app.web.guards import company_scoped
from app.web.operations import hooks, operations, register
from app.web.sending import sends
from config.checks import rate_limit

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Name(Body):
    """A name."""

    refusal = "name must be provided!"
    name = text("Jane")


class Company(Name):
    """A name of a company that it names."""

    company_id = text("acme")


class Renamed(Name):
    """A company by another name."""

    company = fields.String(attribute="company_id")


class Spelled(Name):
    """A company in another spelling."""

    target = fields.String(data_key="companyId")


class Hidden(Name):
    """A company within."""

    where = fields.List(fields.Nested(Company))


class Careless(Name):
    """A part that refuses what it does not know."""

    part = fields.Nested(Schema.from_dict({"name": fields.String()}))


class Defaulted(Name):
    """A body that is not the same before and after its second field."""

    template_id = fields.String(load_default=None)


class Inclusive(Name):
    """A body that takes what it does not know."""

    class Meta:
        """A company, too."""

        unknown = INCLUDE


class Generous(Answer):
    """An answer that passes on what it does not know."""

    class Meta:
        """Whatever the chat service says."""

        unknown = INCLUDE


class Within(Name):
    """A body that takes what a part of it does not know."""

    parts = fields.List(fields.Nested(Name, unknown=INCLUDE))


class Strict(Name):
    """A body that refuses what it does not know, as newer editions of the API have it."""

    class Meta:
        """Whatever is new."""

        unknown = RAISE


def loose(field: fields.Field[Any]) -> type[Body]:
    """A body with such a field."""
    return type("Loose", (Name,), {"more": field})


class Speechless(Body):
    """A body without a refusal."""


GUARD = company_scoped(role="contacts")
GUARD_OF_BODY = company_scoped(role="contacts", company_in="body")
GIVES = gives("Done!", Answer)


def around(view: Callable[..., Any]) -> Callable[..., Any]:
    """What somebody else writes around views, and lets nobody through to them."""

    @wraps(view)
    def answering(**_: object) -> str:
        return "something else"

    return answering


def asynchronous(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view that nobody awaits."""

    async def view(account: object, **_: object) -> None:
        """Do it."""

    return view


def narrow(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view that takes its account alone."""

    def view(account: object) -> None:
        """Do it."""

    return view


def silent(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view without a docstring."""
    return lambda account, **_: {"account": account}


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


@pytest.mark.parametrize(
    ("path", "method", "decorators"),
    [
        ("/a/<company_id>", "GET", [GUARD, GIVES]),
        ("/a/<company_id>/<contact_id>", "DELETE", [GUARD, GIVES]),
        ("/a/<company_id>", "GET", [GUARD, takes(Paging, location="query"), GIVES]),
        ("/a/<company_id>", "PUT", [GUARD, takes(Name), takes(Paging, location="query"), GIVES]),
        ("/a/<company_id>", "POST", [GUARD, takes(Name), sends, GIVES]),
        ("/a/<company_id>", "POST", [GUARD, takes(Defaulted), GIVES]),
        ("/a/<contact_id>", "POST", [GUARD_OF_BODY, takes(Name), GIVES]),
        ("/a/<company_id>", "GET", [company_scoped(role="contacts", limit="5 per hour"), GIVES]),
    ],
)
def test_what_is_declared_whole_is_an_operation(path: str, method: str, decorators: list[Decorator]) -> None:
    """With all that is said of it."""
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
        ("/a/<company_id>", "POST", [GUARD, takes(Hidden), GIVES], "the guard alone takes the company id"),
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


@pytest.mark.parametrize(
    "field",
    [
        *(fields.Boolean(), fields.Integer(), fields.Float(), fields.Raw(), fields.Dict(), fields.Decimal()),
        *(fields.List(fields.Boolean()), fields.List(fields.List(fields.Raw())), fields.DateTime(), fields.UUID()),
        fields.Nested(loose(fields.Integer())),
    ],
    ids=repr,
)
def test_a_field_that_takes_what_nobody_means_is_told(field: fields.Field[Any]) -> None:
    """Marshmallow's own take "yes" for true, 5.9 for 5, "1" for 1, or an object that names another company."""
    with pytest.raises(DeclarationError, match="its fields take what nobody means"):
        operations(application("/a/<company_id>", "POST", GUARD, takes(loose(field)), GIVES), rate_limit)


@pytest.mark.parametrize(
    "field",
    [
        *(text("a"), fields.String(allow_none=True), JsonBoolean(), fields.Integer(strict=True), Digits()),
        *(fields.List(fields.Integer(strict=True)), fields.List(fields.Nested(Name)), fields.Nested(Name)),
    ],
    ids=repr,
)
def test_a_field_of_one_type_is_taken(field: fields.Field[Any]) -> None:
    """As the guide lists them."""
    operations(application("/a/<company_id>", "POST", GUARD, takes(loose(field)), GIVES), rate_limit)


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


def test_every_problem_is_told_at_once() -> None:
    """A line each."""
    app = application("/a/<name>", "POST", company_scoped(role="a", limit="often"))
    with pytest.raises(DeclarationError) as caught:
        operations(app, rate_limit)
    assert len(str(caught.value).splitlines()) == 5


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
    """There nothing is passed by."""
    assert len(operations(application("/a/<company_id>", "GET", GUARD, GIVES, around), rate_limit)) == 1


@pytest.mark.parametrize(
    "declare",
    [
        lambda: takes(Name()),  # type: ignore[arg-type]
        lambda: takes(Answer),  # type: ignore[arg-type]
        lambda: takes(lambda account: account),  # type: ignore[arg-type]
        lambda: takes(Paging, location="args"),  # type: ignore[arg-type]
        lambda: gives("Done!", Answer()),  # type: ignore[arg-type]
        lambda: gives("Done!", [Answer]),  # type: ignore[arg-type]
        lambda: gives(Answer, "Done!"),  # type: ignore[arg-type]
        lambda: company_scoped(role="contacts", company_in="path"),  # type: ignore[arg-type]
    ],
)
def test_what_a_decorator_cannot_mean_is_told(declare: Callable[[], object]) -> None:
    """Where it stands, in a sentence with an example."""
    with pytest.raises(DeclarationError, match=r"^@"):
        declare()


def test_two_views_of_a_name_are_told() -> None:
    """In one blueprint Flask has the word."""
    blueprint = Blueprint("tag", __name__)
    blueprint.add_url_rule("/a", "view", lambda: "a")
    blueprint.add_url_rule("/b", "view", lambda: "b")
    with pytest.raises(DeclarationError, match=r"^tag: two views or two blueprints"):
        register(Flask("app", static_folder=None), blueprint)


def test_two_blueprints_of_a_name_are_told() -> None:
    """Likewise."""
    app = Flask("app", static_folder=None)
    register(app, Blueprint("tag", __name__))
    with pytest.raises(DeclarationError, match=r"^tag: two views or two blueprints"):
        register(app, Blueprint("tag", __name__))


def test_an_operation_has_a_path_of_its_own() -> None:
    """Of two with the same one would never be asked, and which one is not said anywhere."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    app.add_url_rule("/a/<other_id>", "other", public(lambda other_id: other_id), methods=["GET"])
    with pytest.raises(DeclarationError, match="another operation has this method and path"):
        operations(app, rate_limit)


HOOKS: dict[str, Callable[[Blueprint], object]] = {
    "before": lambda it: it.before_request(lambda: "something else"),
    "before all": lambda it: it.before_app_request(lambda: "something else"),
    "after": lambda it: it.after_request(lambda response: response),
    "after all": lambda it: it.after_app_request(lambda response: response),
    "end": lambda it: it.teardown_request(lambda _: None),
    "error": lambda it: it.register_error_handler(403, lambda _: "all is well"),
    "error of all": lambda it: it.app_errorhandler(404)(lambda _: "all is well"),
    "error in place of ours": lambda it: it.app_errorhandler(Exception)(lambda _: "all is well"),
    "ids": lambda it: it.url_value_preprocessor(lambda _, ids: ids.update(company_id="another") if ids else None),
    "defaults": lambda it: it.url_defaults(lambda _, ids: ids.update(company_id="another")),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_nothing_else_is_around_views(hook: str) -> None:
    """It would answer before the guard, or change what that has said."""
    blueprint = Blueprint("tag", __name__)
    HOOKS[hook](blueprint)
    app = Flask("app", static_folder=None)
    app.after_request(lambda response: response)
    app.register_error_handler(Exception, lambda _: "a fault of ours")
    known = hooks(app)
    operations(app, rate_limit, known)
    # Told once, however many there are of a kind.
    HOOKS[hook](blueprint)
    app.register_blueprint(blueprint)
    with pytest.raises(DeclarationError, match="no route may change others; do it in the view") as refused:
        operations(app, rate_limit, known)
    assert len(str(refused.value).splitlines()) == 1


def module(**kept: object) -> ModuleType:
    """A module of routes with these at its top level."""
    made = ModuleType("app.routes.tag")
    vars(made).update(kept)
    return made


@pytest.mark.parametrize(
    "kept",
    [
        {"Blueprint": Blueprint},
        {"Blueprint": Blueprint, "make": lambda: Blueprint("tag", __name__)},
        {"Blueprint": Blueprint, "blueprints": [Blueprint("tag", __name__)]},
    ],
    ids=["none", "in a function", "in a list"],
)
def test_a_blueprint_that_nobody_would_register_is_told(kept: dict[str, object]) -> None:
    """Its routes would answer 404, and no rule be asked about them."""
    with pytest.raises(DeclarationError, match=r"^app\.routes\.tag: its blueprint is not registered: "):
        operations(bare(), rate_limit, modules=[module(**kept)])


def test_a_view_that_no_path_leads_to_is_told() -> None:
    """Its topmost decorator is forgotten, or of a blueprint that is not registered."""
    app = application("/a/<company_id>", "GET", GUARD, GIVES)
    reached, forgotten = app.view_functions["tag.view"], GUARD(GIVES(lambda account: {"account": account}))
    schemas = module(reached=reached, Name=Name)
    assert len(operations(app, rate_limit, modules=[schemas])) == 1
    with pytest.raises(DeclarationError, match=r"^app\.routes\.tag\.forgotten: no path leads to it: "):
        operations(app, rate_limit, modules=[schemas, module(forgotten=forgotten)])
