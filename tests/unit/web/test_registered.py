"""Every blueprint and view is registered, once, and none changes the others."""

from collections.abc import Callable
from types import ModuleType

import pytest
from flask import Blueprint, Flask, request

from app.web.declarations import DeclarationError
from app.web.operations import hooks, operations, register
from config.checks import rate_limit
from tests.unit.web.declared import GIVES, GUARD, Name, application, bare


def test_two_views_of_a_name_are_told() -> None:
    """In one blueprint, where Flask notices it, the message says what to do."""
    blueprint = Blueprint("tag", __name__)
    blueprint.add_url_rule("/a", "view", lambda: "a")
    blueprint.add_url_rule("/b", "view", lambda: "b")
    with pytest.raises(DeclarationError, match=r"^tag: two views or two blueprints"):
        register(Flask("app", static_folder=None), blueprint)


def test_two_blueprints_of_a_name_are_told() -> None:
    """An application has one blueprint of each name, and the message says what to do."""
    app = Flask("app", static_folder=None)
    register(app, Blueprint("tag", __name__))
    with pytest.raises(DeclarationError, match=r"^tag: two views or two blueprints"):
        register(app, Blueprint("tag", __name__))


def test_a_blueprint_in_another_is_told_as_such() -> None:
    """All at the top level of the modules are registered, so its views would have two paths, and two names."""
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__, url_prefix="/b")
    inner.get("/a/<company_id>")(GUARD(GIVES(lambda account: {"account": account})))
    outer.register_blueprint(inner)
    app = bare()
    for blueprint in (inner, outer):
        register(app, blueprint)
    with pytest.raises(DeclarationError, match=r"let it have its own, in a blueprint that is in no other\."):
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
    # What is not a view may not even be looked into where there is no request.
    schemas = module(reached=reached, Name=Name, other=request)
    assert len(operations(app, rate_limit, modules=[schemas])) == 1
    with pytest.raises(DeclarationError, match=r"^app\.routes\.tag\.forgotten: no path leads to it: "):
        operations(app, rate_limit, modules=[schemas, module(forgotten=forgotten)])
