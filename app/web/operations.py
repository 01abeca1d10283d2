"""The operations of an application; one that is declared wrongly, or not at all, keeps it from starting."""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask
from werkzeug.routing import Rule

from app.web.declarations import Declaration, DeclarationError, declaration_of

_ID = re.compile("<[^>]*>")
_WITH_BODY, _WITHOUT_BODY = {"POST", "PUT"}, {"GET", "DELETE"}
# From the view outwards: what stands above runs first, so nothing is read before the caller is known.
_ORDER = ("gives", "sends", "takes", "company_scoped")
# Where Flask keeps what blueprints can put around views, by blueprint; None is the application.
_HOOKS = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "url_value_preprocessors",
    "url_default_functions",
    "error_handler_spec",
)
_UNGUARDED = "anybody could call it: write @company_scoped(role=…) right below its route, or @public if they may."
_TWICE = "another operation has this view or its name: write a view of its own, with a name of its own."
_SAME = "another operation has this method and path: only one of them would be asked."


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, the view that answers it, and what is said of it."""

    method: str
    rule: str
    endpoint: str
    ids: tuple[str, ...]
    view: Callable[..., Any]
    said: Declaration

    def __str__(self) -> str:
        return f"{self.method} {self.rule} ({self.endpoint})"

    @property
    def name(self) -> str:
        """The name of its view: `send_message`."""
        return self.endpoint.rpartition(".")[2]


def hooks(app: Flask) -> Counter[tuple[str | None, str]]:
    """How many functions there are around views, by where they are registered and as what."""
    found: Counter[tuple[str | None, str]] = Counter()
    for kind in _HOOKS:
        for scope, functions in getattr(app, kind).items():
            parts = functions.values() if isinstance(functions, dict) else [functions]
            found[scope, kind] += sum(map(len, parts))
    return found


def register(app: Flask, blueprint: Blueprint) -> None:
    """Register it; raises DeclarationError where two of its views, or two blueprints, have one name."""
    try:
        app.register_blueprint(blueprint)
    except (AssertionError, ValueError) as error:
        raise DeclarationError(f"{blueprint.name}: two views or two blueprints have one name: {error}") from error


def operations(
    app: Flask, check_limit: Callable[[str], None], known: Counter[tuple[str | None, str]] | None = None
) -> list[Operation]:
    """The company-scoped operations of the application, in the order of their paths.

    `check_limit` raises ValueError for what is no limit; `known` are the application's own hooks.
    Raises DeclarationError unless every rule of it is declared whole, as company-scoped or as public, and nothing
    else is around a view.
    """
    found = sorted(_every_operation(app), key=lambda operation: (operation.rule, operation.method))
    problems = [f"{operation}: {problem}" for operation in found for problem in _problems(operation, check_limit)]
    guarded = [operation for operation in found if not operation.said.public]
    problems += [f"{operation}: {_TWICE}" for operation in _repeated(guarded, lambda it: it.name)]
    problems += [f"{operation}: {_SAME}" for operation in _repeated(found, _call)]
    for scope, kind in hooks(app) - (known or Counter()):
        problems.append(f"{kind} of {scope or 'the application'}: no route may change others; do it in the view.")
    if problems:
        raise DeclarationError("\n".join(problems))
    return guarded


def _every_operation(app: Flask) -> Iterator[Operation]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in _methods(rule):
            ids = tuple(rule.arguments)
            yield Operation(method, rule.rule, rule.endpoint, ids, view, declaration_of(view))


def _methods(rule: Rule) -> set[str]:
    """Those that the view answers; where it answers GET, HEAD is the same."""
    methods = set(rule.methods or ())
    if getattr(rule, "provide_automatic_options", False):
        methods -= {"OPTIONS"}
    return methods - {"HEAD"} if "GET" in methods else methods


def _call(operation: Operation) -> str:
    """What one asks for, whatever its ids are called."""
    return f"{operation.method} {_ID.sub('<>', operation.rule)}"


def _repeated(found: list[Operation], key: Callable[[Operation], str]) -> Iterator[Operation]:
    """Operations that share what should be their own with an earlier one."""
    seen: set[str] = set()
    for operation in found:
        if key(operation) in seen:
            yield operation
        seen.add(key(operation))


def _problems(operation: Operation, check_limit: Callable[[str], None]) -> Iterator[str]:
    said = operation.said
    if operation.rule.endswith("/") and operation.rule != "/":
        yield "a path without its last slash would be another: let it end without one."
    if said.public or said.role is None:
        if not said.public:
            yield _UNGUARDED
        elif said.role is not None:
            yield "it is company-scoped and public: take one away."
        return
    for wrong, advice in _RULES:
        if wrong(operation):
            yield advice
    if said.limit is not None and not _is_limit(said.limit, check_limit):
        yield 'its limit is not one such as "30 per minute".'


def _is_in_order(decorators: tuple[str, ...]) -> bool:
    """With a body and a query, @takes stands there twice."""
    once = [name for name in decorators if name != "takes"]
    return list(decorators) == sorted(decorators, key=_ORDER.index) and len(once) == len(set(once))


def _untaken(operation: Operation) -> set[str]:
    """What the view is called with by name, and does not take."""
    said, found = operation.said, inspect.signature(inspect.unwrap(operation.view)).parameters.values()
    if any(it.kind is it.VAR_KEYWORD for it in found):
        return set()
    given = {*operation.ids, *(["body"] if said.body else []), *(["query"] if said.query else [])}
    return given - {"company_id", *(it.name for it in found)}


def _is_limit(text: str, check_limit: Callable[[str], None]) -> bool:
    try:
        check_limit(text)
    except ValueError:
        return False
    return True


# What is wrong with a guarded operation, and what to do about it.
_RULES: tuple[tuple[Callable[[Operation], bool], str], ...] = (
    (
        lambda it: it.method not in _WITH_BODY | _WITHOUT_BODY,
        "operations are GET, POST, PUT or DELETE.",
    ),
    (
        lambda it: not _is_in_order(it.said.decorators),
        f"write its decorators in this order, each once: {', '.join(f'@{name}' for name in reversed(_ORDER))}.",
    ),
    (
        lambda it: it.said.gives is None,
        "nobody knows what it answers: write @gives(message, Schema) right above the view.",
    ),
    (
        lambda it: it.method in _WITH_BODY and it.said.body is None,
        "nobody checks its body: write @takes(Schema) below @company_scoped.",
    ),
    (
        lambda it: it.method in _WITHOUT_BODY and it.said.body is not None,
        'a GET or DELETE has no body: write @takes(Schema, location="query").',
    ),
    (
        lambda it: it.said.company_in == "url" and "company_id" not in it.ids,
        'it names no company: put <company_id> into its path, or say company_in="body".',
    ),
    (
        lambda it: it.said.company_in == "body" and ("company_id" in it.ids or it.said.body is None),
        'company_in="body" is for a path without <company_id> and a view with @takes(Schema).',
    ),
    (
        lambda it: any("company_id" in schema().fields for schema in (it.said.body, it.said.query) if schema),
        "the guard alone takes the company id: take company_id out of its schema.",
    ),
    (
        lambda it: any(not hasattr(schema, "refusal") for schema in (it.said.body, it.said.query) if schema),
        "its schema has no `refusal`: write the sentence for those who leave something out.",
    ),
    (
        lambda it: not all(name.endswith("_id") for name in it.ids),
        "parts of a path are ids: let their names end in _id, and take other values from the query.",
    ),
    (
        lambda it: not it.said.role,
        "its role is empty: say which one an account needs.",
    ),
    (
        lambda it: it.said.under == "message",
        "its sentence stands under `message`: let what it gives stand under another name.",
    ),
    (
        lambda it: inspect.iscoroutinefunction(inspect.unwrap(it.view)),
        "views are synchronous: write def in place of async def.",
    ),
    (
        lambda it: bool(_untaken(it)),
        "its view gets the ids of the path, `body` and `query` by name: let it take each after its `*`.",
    ),
    (
        lambda it: ":" in it.rule,
        "parts of a path are text, which the guard looks at: write <company_id> without a converter.",
    ),
)
