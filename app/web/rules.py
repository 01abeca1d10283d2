"""Rules for declaring an operation; each violation is a sentence that says what to do."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, missing

from app.schemas import Answer, Body, Digits, JsonBoolean
from app.web.declarations import Declaration, Operation

_WITH_BODY, _WITHOUT_BODY = {"POST", "PUT"}, {"GET", "DELETE"}
# From the view outwards: the outermost runs first, so that nothing is read before the caller is authenticated.
_ORDER = ("gives", "sends", "takes", "company_scoped")
_FIELDS = "a text, a JsonBoolean, an Integer(strict=True), Digits in a query, or a List or Nested of these"
_IN_ORDER = ", ".join(f"@{name}" for name in reversed(_ORDER))


def problems_of(operation: Operation, check_limit: Callable[[str], None]) -> Iterator[str]:
    """Yield a sentence for each problem. `check_limit` raises ValueError for an invalid limit."""
    declaration = operation.declaration
    if operation.rule.endswith("/") and operation.rule != "/":
        yield "a path without its last slash would be another: let it end without one."
    if not operation.is_plain:
        yield "a route is a path and its methods: take defaults, redirect_to, subdomain, host or websocket away."
    if declaration.public:
        yield from _of_public(operation)
    elif declaration.role is None:
        yield "anybody could call it: write @company_scoped(role=…) right below its route, or @public if they may."
    else:
        yield from _of_method(operation.method, declaration)
        yield from _of_decorators(declaration)
        yield from _of_ids(operation)
        yield from _of_schemas(declaration)
        yield from _of_view(operation)
        if declaration.limit is not None and not _is_limit(declaration.limit, check_limit):
            yield 'its limit is not one such as "30 per minute".'


def _of_public(operation: Operation) -> Iterator[str]:
    if operation.declaration.role is not None:
        yield "it is company-scoped and public: take one away."
    elif any(name.endswith("_id") for name in operation.ids):
        yield "nobody checks who may see what its ids name: write @company_scoped(role=…) in place of @public."


def _of_decorators(declaration: Declaration) -> Iterator[str]:
    if not _is_in_order(declaration.decorators):
        yield f"write its decorators in this order, each once: {_IN_ORDER}."
    if declaration.gives is None:
        yield "nobody knows what it answers: write @gives(message, Schema) right above the view."
    if not declaration.role:
        yield "its role is empty: say which one an account needs."
    if declaration.under == "message":
        yield "its sentence stands under `message`: let what it gives stand under another name."


def _of_method(method: str, declaration: Declaration) -> Iterator[str]:
    if method not in _WITH_BODY | _WITHOUT_BODY:
        yield "operations are GET, POST, PUT or DELETE."
    if declaration.sends and method != "POST":
        yield "what sends is a POST: any other method may be repeated by a client or a proxy on its own."
    if method in _WITH_BODY and declaration.body is None:
        yield "nobody checks its body: write @takes(Schema) below @company_scoped."
    if method in _WITHOUT_BODY and declaration.body is not None:
        yield 'a GET or DELETE has no body: write @takes(Schema, location="query").'


def _of_ids(operation: Operation) -> Iterator[str]:
    in_path, in_body = "company_id" in operation.ids, operation.declaration.company_in == "body"
    if not in_path and not in_body:
        yield 'it names no company: put <company_id> into its path, or say company_in="body".'
    if in_body and (in_path or operation.declaration.body is None):
        yield 'company_in="body" is for a path without <company_id> and a view with @takes(Schema).'
    if not all(name.endswith("_id") for name in operation.ids):
        yield "parts of a path are ids: let their names end in _id, and take other values from the query."
    if any(_names_a_company(name) for name in operation.ids if name != "company_id"):
        yield "the guard alone takes the company id: its path can name no other company."
    if any(":" in part.partition(">")[0] for part in operation.rule.split("<")[1:]):
        yield "parts of a path are text, which the guard looks at: write <company_id> without a converter."


def _of_schemas(declaration: Declaration) -> Iterator[str]:
    taken = [schema for schema in (declaration.body, declaration.query) if schema]
    parts = [part for schema in taken for part in _parts(schema())]
    if any(_names_a_company(name) for part in parts for name in _names(part)):
        yield "the guard alone takes the company id: take company_id out of its schema."
    # The chat service is told by this name who acts. Within a part, it may name somebody else.
    if any(_letters(name) == "accountid" for schema in taken for name in _names(schema())):
        yield "the guard alone finds the caller's account: take account_id out of its schema."
    if declaration.sends and any(_has_default(part) for part in parts):
        yield "a key would not fit a message from before a default: leave load_default out, the view can choose."
    if not all(_takes_one_type(field) for part in parts for field in _leaves(part)):
        yield f'its fields take what nobody means, such as "yes" for true: let each be {_FIELDS}.'
    if any(not hasattr(schema, "refusal") for schema in taken):
        yield "its schema has no `refusal`: write the sentence for those who leave something out."
    given = [*_parts(declaration.gives())] if declaration.gives else []
    if not all(isinstance(part, Answer | Body) and _drops_others(part) for part in parts + given):
        yield "schemas drop fields that they do not name: let each part be a Body or an Answer without `unknown`."


def _of_view(operation: Operation) -> Iterator[str]:
    view = inspect.unwrap(operation.view)
    if not view.__doc__:
        yield "nobody can read what it does: write a docstring, and keep it: neither PYTHONOPTIMIZE=2 nor -OO."
    if inspect.iscoroutinefunction(view):
        yield "views are synchronous: write def in place of async def."
    if _untaken(operation, inspect.signature(view)):
        yield "its view gets the ids of the path, `body` and `query` by name: let it take each after its `*`."


def _is_in_order(decorators: tuple[str, ...]) -> bool:
    """Return whether each decorator occurs once and in order; @takes may occur twice, for body and query."""
    once = [name for name in decorators if name != "takes"]
    return list(decorators) == sorted(decorators, key=_ORDER.index) and len(once) == len(set(once))


def _untaken(operation: Operation, signature: inspect.Signature) -> set[str]:
    """Return the names of keyword arguments that the view will be passed but does not accept."""
    declaration, found = operation.declaration, signature.parameters.values()
    if any(it.kind is it.VAR_KEYWORD for it in found):
        return set()
    given = {*operation.ids, *(["body"] if declaration.body else []), *(["query"] if declaration.query else [])}
    return given - {"company_id", *(it.name for it in found)}


def _parts(schema: Schema) -> Iterator[Schema]:
    """Yield the schema and all schemas nested in it."""
    yield schema
    for field in _leaves(schema):
        if isinstance(field, fields.Nested):
            yield from _parts(field.schema)


def _leaves(schema: Schema) -> Iterator[fields.Field[Any]]:
    """Yield the schema's fields; in place of a list what it is a list of."""
    for field in schema.fields.values():
        leaf = field
        while isinstance(leaf, fields.List):
            leaf = leaf.inner
        yield leaf


def _drops_others(schema: Schema) -> bool:
    """Return whether unnamed fields, a company's id among them, are neither refused nor kept."""
    nested = {field.unknown for field in _leaves(schema) if isinstance(field, fields.Nested)}
    return schema.unknown == EXCLUDE and nested <= {None, EXCLUDE}


def _takes_one_type(field: fields.Field[Any]) -> bool:
    """Return whether the field takes one type of JSON, no object that no schema looks into, and gives JSON again.

    What marshmallow makes of a date or a UUID could be no part of the fingerprint of an Idempotency-Key.
    """
    if isinstance(field, fields.Integer):
        return field.strict or isinstance(field, Digits)
    return isinstance(field, fields.String | JsonBoolean | fields.Nested)


def _has_default(schema: Schema) -> bool:
    """Return whether what is loaded has values that were not given.

    A message from before such a field counts as another one when it is repeated under its key after an update.
    """
    return any(field.load_default is not missing for field in schema.fields.values())


def _names(schema: Schema) -> Iterator[str]:
    """Yield all names of the schema's fields, in Python and in JSON."""
    for name, field in schema.fields.items():
        yield from (name, field.data_key or "", field.attribute or "")


def _names_a_company(name: str) -> bool:
    return "companyid" in _letters(name)


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _is_limit(text: str, check_limit: Callable[[str], None]) -> bool:
    try:
        check_limit(text)
    except ValueError:
        return False
    return True
