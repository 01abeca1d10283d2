"""The operations of an application; one that is declared wrongly, or not at all, keeps it from starting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from limits import parse_many

from app.web.declarations import Declaration, DeclarationError, declaration_of

_WITH_BODY, _WITHOUT_BODY = {"POST", "PUT"}, {"GET", "DELETE"}
# From the view outwards: what stands above runs first, so nothing is read before the caller is known.
_ORDER = ("gives", "sends", "takes", "company_scoped")
_ADDED_BY_FLASK = {"HEAD", "OPTIONS"}
_TWICE = "another operation has this view or its name: write a view of its own, with a name of its own."


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


def operations(app: Flask) -> list[Operation]:
    """The company-scoped operations of the application, in the order of their paths.

    Raises DeclarationError unless every rule of it is declared whole, as company-scoped or as public.
    """
    found = sorted(_every_operation(app), key=lambda operation: (operation.rule, operation.method))
    problems = [f"{operation}: {problem}" for operation in found for problem in _problems(operation)]
    guarded = [operation for operation in found if not operation.said.public]
    problems += [f"{operation}: {_TWICE}" for operation in _repeated(guarded)]
    if problems:
        raise DeclarationError("\n".join(problems))
    return guarded


def _every_operation(app: Flask) -> Iterator[Operation]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        for method in (rule.methods or set()) - _ADDED_BY_FLASK:
            ids = tuple(rule.arguments)
            yield Operation(method, rule.rule, rule.endpoint, ids, view, declaration_of(view))


def _repeated(guarded: list[Operation]) -> Iterator[Operation]:
    """Operations whose view has the name of an earlier one's."""
    names: set[str] = set()
    for operation in guarded:
        if operation.name in names:
            yield operation
        names.add(operation.name)


def _problems(operation: Operation) -> Iterator[str]:
    said = operation.said
    if said.public or said.role is None:
        if not said.public:
            yield "anybody could call it: write @company_scoped(role=…) below its route, or @public if they may."
        elif said.role is not None:
            yield "it is company-scoped and public: take one away."
        return
    for wrong, advice in _RULES:
        if wrong(operation):
            yield advice


def _is_in_order(decorators: tuple[str, ...]) -> bool:
    return list(decorators) == sorted(decorators, key=_ORDER.index)


def _is_limit(text: str) -> bool:
    try:
        limits = parse_many(text)
    except ValueError:
        return False
    return len(limits) == 1 and limits[0].amount >= 1


# What is wrong with a guarded operation, and what to do about it.
_RULES: tuple[tuple[Callable[[Operation], bool], str], ...] = (
    (
        lambda it: it.method not in _WITH_BODY | _WITHOUT_BODY,
        "operations are GET, POST, PUT or DELETE.",
    ),
    (
        lambda it: not _is_in_order(it.said.decorators),
        f"write its decorators in this order: {', '.join(f'@{name}' for name in reversed(_ORDER))}.",
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
        lambda it: it.said.limit is not None and not _is_limit(it.said.limit),
        'its limit is not one such as "30 per minute".',
    ),
)
