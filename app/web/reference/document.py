"""The OpenAPI document, generated from the declarations of the operations."""

import inspect
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from app.schemas import Body
from app.web.declarations import Operation
from app.web.ids import noun, refusal_of
from app.web.reference import published


class _Converter(OpenAPIConverter):
    """apispec's converter, with `required` in field order and schemas described by their docstrings."""

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401 - apispec's
        shape: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call] # apispec's
        if "required" in shape:
            shape["required"].sort(key=list(shape["properties"]).index)
        description = _first_line(type(schema)) if _name(schema) else ""
        return {**shape, "description": description} if description else shape


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


def make(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of these operations; the parts they share are in app.web.reference.published."""
    # By its types apispec expects a name for each schema; None tells it to inline the schema.
    plugin = _Plugin(schema_name_resolver=_name)  # type: ignore[arg-type]
    version = published.ABOUT["info"]["version"]
    spec = APISpec(published.TITLE, version, published.OPENAPI, plugins=[plugin], **published.ABOUT)
    spec.components.security_scheme("BearerAuth", published.BEARER_AUTH)
    spec.components.schema("Error", published.ERROR)
    for name, response in published.RESPONSES.items():
        spec.components.response(name, response)
    for operation in operations:
        spec.path(path_of(operation), operations={operation.method.lower(): _describe(operation)})
    made: dict[str, Any] = spec.to_dict()
    # apispec would put `info` first and `openapi` last.
    return {name: made[name] for name in ("openapi", *published.ABOUT, "paths", "components")}


def path_of(operation: Operation) -> str:
    """Return the path in OpenAPI's notation: `/v1/send-message/{company_id}/{conversation_id}`."""
    return operation.rule.replace("<", "{").replace(">", "}")


def operation_id(operation: Operation) -> str:
    """Return the view's name in camel case: `sendMessage`."""
    first, *others = operation.name.split("_")
    return "".join([first, *map(str.capitalize, others)])


def tag_of(operation: Operation) -> str:
    """Return the operation's tag, which is the name of its blueprint: `Conversations`."""
    return operation.endpoint.partition(".")[0].replace("_", " ").title()


def example_of(schema: type[Schema]) -> dict[str, Any]:
    """Return an example document of this schema, composed of the examples of its fields."""
    examples = {name: _example(field) for name, field in schema().fields.items()}
    return {name: example for name, example in examples.items() if example is not None}


def body_of(operation: Operation) -> type[Schema] | None:
    """Return the schema of the body, with `company_id` if the guard reads it from there."""
    body = operation.declaration.body
    if body is None or operation.declaration.company_in == "url":
        return body
    told = _id("company_id")
    metadata = {"description": told["description"], "example": told["schema"]["example"]}
    return body.from_dict({"company_id": fields.UUID(required=True, metadata=metadata)}, name=body.__name__)


def answer_example(operation: Operation) -> dict[str, Any]:
    """Return the example of a successful response."""
    declaration = operation.declaration
    given = example_of(declaration.gives) if declaration.gives else {}
    return {"message": declaration.message, declaration.under: given}


def _example(field: fields.Field[Any]) -> Any:  # noqa: ANN401 - of the field's own type
    if isinstance(field, fields.Nested):
        return example_of(type(field.schema))
    if isinstance(field, fields.List) and "example" not in field.metadata:
        return [_example(field.inner)]
    return field.metadata.get("example")


def _name(schema: type[Schema] | Schema) -> str | None:
    """Return the schema's name in the document; None for request bodies, which are inlined."""
    kind = schema if isinstance(schema, type) else type(schema)
    return None if issubclass(kind, Body) else kind.__name__


def _first_line(documented: Any) -> str:  # noqa: ANN401 - a class or a function
    return (documented.__doc__ or "").strip().partition("\n")[0].removesuffix(".")


def _describe(operation: Operation) -> dict[str, Any]:
    body = body_of(operation)
    told = (inspect.getdoc(operation.view) or "").partition("\n")[2].strip()
    sending = published.SENDING if operation.declaration.sends else ""
    return {
        "tags": [tag_of(operation)],
        "summary": summary(operation),
        "description": "\n\n".join(filter(None, [told, sending])),
        "operationId": operation_id(operation),
        "parameters": _parameters(operation),
        **({"requestBody": _request_body(body)} if body else {}),
        "responses": _responses(operation),
        "security": published.ABOUT["security"],
    }


def summary(operation: Operation) -> str:
    """Return the first line of the view's docstring, without its period."""
    return _first_line(operation.view)


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = sorted(operation.ids, key=operation.rule.index)
    query = operation.declaration.query
    return [
        *({"name": name, "in": "path", "required": True, **_id(name)} for name in in_path),
        *([{"in": "query", "schema": query}] if query else []),
    ]


def _id(name: str) -> dict[str, Any]:
    example = published.IDS.get(name, published.ANOTHER_ID)
    return {
        "description": f"Unique identifier for the {noun(name)}",
        "schema": {"type": "string", "format": "uuid", "example": example},
    }


def _request_body(body: type[Schema]) -> dict[str, Any]:
    content = {"schema": body, "example": example_of(body)}
    return {"required": True, "content": {"application/json": content}}


def _responses(operation: Operation) -> dict[str, Any]:
    declaration = operation.declaration
    properties = {
        "message": {"type": "string", "example": declaration.message},
        declaration.under: declaration.gives,
    }
    schema = {"type": "object", "properties": properties}
    return {
        "200": {
            "description": declaration.message.rstrip("!"),
            "content": {"application/json": {"schema": schema, "example": answer_example(operation)}},
        },
        "400": {
            "description": "Invalid request (missing fields, invalid IDs, or no account for company)",
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "examples": _refusals(operation),
                }
            },
        },
        **published.SHARED,
    }


def _refusals(operation: Operation) -> dict[str, Any]:
    ids = ["company_id", *sorted(set(operation.ids) - {"company_id"}, key=operation.rule.index)]
    told = [("missing_required", "Something required is missing", operation.declaration.refusal)]
    told += [(f"invalid_{name}", f"Invalid {noun(name)} UUID", refusal_of(name).sentence) for name in ids]
    return {
        name: {"summary": summary, "value": {"status": "failure", "error": sentence}}
        for name, summary, sentence in told
    }
