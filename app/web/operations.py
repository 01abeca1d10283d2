"""The operations of an application; one that is declared wrongly or not at all prevents its start."""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

from flask import Blueprint, Flask
from werkzeug.routing import Rule

from app.web.declarations import DeclarationError, Operation, declaration_of
from app.web.rules import problems_of

_ID = re.compile("<[^>]*>")
# Attributes in which Flask keeps the hooks around views, by blueprint; None is the application.
_HOOKS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "url_value_preprocessors",
    "url_default_functions",
    "error_handler_spec",
)
# Blueprint, or None for the application; kind; function.
Hook = tuple[str | None, str, object]
_TWICE = "another operation has this view or its name: let it have its own, in a blueprint that is in no other."
_SAME = "another operation has this method and path: only one of them would be asked."


def hooks(app: Flask) -> Counter[Hook]:
    """Count the hooks around views: one that is put in another's place counts as one more."""
    return Counter(
        (scope, kind, function)
        for kind in _HOOKS
        for scope, kept in getattr(app, kind).items()
        for function in _functions(kept)
    )


def _functions(kept: Any) -> Iterator[object]:  # noqa: ANN401 - a list, or error handlers by status and class
    """Yield all functions that Flask keeps there."""
    if callable(kept):
        yield kept
    else:
        for part in kept.values() if isinstance(kept, dict) else kept:
            yield from _functions(part)


def register(app: Flask, blueprint: Blueprint) -> None:
    """Register the blueprint; raises DeclarationError if two of its views, or two blueprints, share a name."""
    try:
        app.register_blueprint(blueprint)
    except (AssertionError, ValueError) as error:
        raise DeclarationError(f"{blueprint.name}: two views or two blueprints have one name: {error}") from error


def operations(
    app: Flask,
    check_limit: Callable[[str], None],
    own: Counter[Hook] | None = None,
    modules: Iterable[ModuleType] = (),
) -> list[Operation]:
    """Return the company-scoped operations of the application, sorted by path and method.

    `check_limit` raises ValueError for an invalid limit; `own` has the application's own hooks. Raises
    DeclarationError unless every rule is declared completely, as company-scoped or as public, there are no other
    hooks, and all that the `modules` of routes declare is registered.
    """
    found = sorted(_every_operation(app), key=lambda operation: (operation.rule, operation.method))
    problems = [f"{it}: {problem}" for it in found for problem in problems_of(it, check_limit)]
    guarded = [operation for operation in found if not operation.declaration.public]
    problems += [f"{operation}: {_TWICE}" for operation in _repeated(guarded, lambda it: it.name)]
    problems += [f"{operation}: {_SAME}" for operation in _repeated(found, _call)]
    for scope, kind in dict.fromkeys((scope, kind) for scope, kind, _ in hooks(app) - (own or Counter())):
        problems.append(f"{kind} of {scope or 'the application'}: no route may change others; do it in the view.")
    problems += [problem for module in modules for problem in _unregistered(app, module)]
    if problems:
        raise DeclarationError("\n".join(problems))
    return guarded


def _unregistered(app: Flask, module: ModuleType) -> Iterator[str]:
    """Yield a sentence for each part of the module that no request would reach."""
    kept = vars(module)
    if Blueprint in kept.values() and not any(isinstance(it, Blueprint) for it in kept.values()):
        yield f"{module.__name__}: its blueprint is not registered: let it have a name at the top level."
    for name, view in kept.items():
        is_view = inspect.isfunction(view) and declaration_of(view).decorators
        if is_view and view not in app.view_functions.values():
            yield f"{module.__name__}.{name}: no path leads to it: write @blueprint.get(…) or the like above it."


def _every_operation(app: Flask) -> Iterator[Operation]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in _methods(rule):
            ids = tuple(rule.arguments)
            yield Operation(method, rule.rule, rule.endpoint, ids, view, declaration_of(view), _is_plain(rule))


def _is_plain(rule: Rule) -> bool:
    return not (rule.defaults or rule.redirect_to or rule.subdomain or rule.host or rule.websocket)


def _methods(rule: Rule) -> set[str]:
    """Return the methods that the rule takes; HEAD comes with GET."""
    methods = set(rule.methods or ())
    return methods - {"HEAD"} if "GET" in methods else methods


def _call(operation: Operation) -> str:
    """Return method and path, with parameter names erased."""
    return f"{operation.method} {_ID.sub('<>', operation.rule)}"


def _repeated(found: list[Operation], key: Callable[[Operation], str]) -> Iterator[Operation]:
    """Yield the operations whose key an earlier operation already has."""
    seen: set[str] = set()
    for operation in found:
        if key(operation) in seen:
            yield operation
        seen.add(key(operation))
