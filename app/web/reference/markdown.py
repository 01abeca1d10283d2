"""The reference in Markdown: a page for each operation, and an index of them."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

from app.web.declarations import Operation
from app.web.reference.document import make, path_of, summary, tag_of

_ID = re.compile(r"{(\w+)}")
# Of routes that send. The published structure of the OpenAPI document has no place for it.
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Another one for each message: under it, that is sent at most once",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "example": "order-4711-shipped"},
}
_PAGE = """\
> The index of all pages is at [/llms.txt](/llms.txt).

# {summary}

`{method} {path}`

{description}

## Request

The limit is {limit} for each user, on this operation, all companies together.

| name | in | type | |
|---|---|---|---|
{values}

```sh
{curl}
```

## Answer

```json
{answer}
```

Every answer has an `X-Request-ID`, and after authentication `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
`X-RateLimit-Reset` (seconds since 1970). Every other answer than 200 is an error object; go by its `code`.
Where it has a `Retry-After`, the request may be repeated after so many seconds.

| status | code | when |
|---|---|---|
{failures}

## OpenAPI

```json {method} {path}
{document}
```
"""
_INDEX = """\
# SalesCaptain API

> Company-scoped operations behind a bearer token: a page for each, and all of them for tools.
{sections}
## OpenAPI

- [The OpenAPI document](/openapi.json): every operation, for tools
"""


def slug(operation: Operation) -> str:
    """Return the name of the operation's page: `send-message` for `/docs/send-message.md`."""
    return operation.name.replace("_", "-")


def page(operation: Operation, limit: str) -> str:
    """Return the page of one operation; `limit` is the limit that applies to it."""
    path, method = path_of(operation), operation.method
    document = make([operation])
    described = document["paths"][path][method.lower()]
    if operation.declaration.sends:
        described = {**described, "parameters": [*described["parameters"], _KEY]}
    return _PAGE.format(
        summary=described["summary"],
        method=method,
        path=path,
        description=described["description"],
        limit=limit,
        values="\n".join(_values(described)),
        curl=_curl(method, document["servers"][0]["url"] + path, described),
        answer=_json(_content(described["responses"]["200"])["example"]),
        failures="\n".join(_failures(operation)),
        document=_json(document),
    )


def index(operations: Iterable[Operation]) -> str:
    """Return the index of all pages, by tag."""
    sections: dict[str, list[str]] = {}
    for operation in operations:
        page_path = f"/docs/{slug(operation)}.md"
        line = f"- [{summary(operation)}]({page_path}): {operation.method} {path_of(operation)}"
        sections.setdefault(tag_of(operation), []).append(line)
    told = [f"\n## {tag}\n\n" + "\n".join(lines) + "\n" for tag, lines in sections.items()]
    return _INDEX.format(sections="".join(told))


def _json(document: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return json.dumps(document, ensure_ascii=False, indent=2)


def _content(described: dict[str, Any]) -> Any:  # noqa: ANN401 - a part of the document
    return described["content"]["application/json"]


def _values(described: dict[str, Any]) -> Iterator[str]:
    for value in described["parameters"]:
        yield _value(value["name"], value["in"], value["schema"], value.get("description"), value["required"])
    if body := described.get("requestBody"):
        yield from _parts("", _content(body)["schema"])


def _parts(prefix: str, schema: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each field of a body, followed by the fields nested in it or in its list items."""
    for name, value in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield _value(f"{prefix}{name}", "body", value, value.get("description"), required)
        yield from _parts(f"{prefix}{name}.", value.get("items", value))


def _value(name: str, place: str, schema: dict[str, Any], description: str | None, required: bool) -> str:  # noqa: FBT001
    told = (description or "").replace("|", "\\|")
    return f"| `{name}` | {place} | {_kind(schema)} | {told}{' (required)' if required else ''} |"


def _kind(schema: dict[str, Any]) -> str:
    """Return the type of a value and its constraints: `integer, 1 to 100, default 20`."""
    kind = schema.get("type", "object")
    values = (json.dumps(value, ensure_ascii=False) for value in schema.get("enum", ()))
    told = [
        f"{kind} ({schema['format']})" if "format" in schema else kind,
        " or ".join(values),
        _span(schema.get("minimum"), schema.get("maximum")),
        _span(schema.get("minLength"), schema.get("maxLength"), " characters"),
        f"default {json.dumps(schema['default'], ensure_ascii=False)}" if "default" in schema else "",
    ]
    return ", ".join(filter(None, told)).replace("|", "\\|")


def _span(least: float | None, most: float | None, unit: str = "") -> str:
    if least is None:
        return "" if most is None else f"at most {most}{unit}"
    return f"at least {least}{unit}" if most is None else f"{least} to {most}{unit}"


def _curl(method: str, url: str, described: dict[str, Any]) -> str:
    given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for value in described["parameters"]:
        if "example" in value["schema"]:
            given[value["in"]][value["name"]] = value["schema"]["example"]
    # An id without an example keeps its braces.
    address = _ID.sub(lambda found: given["path"].get(found[1], found[0]), url)
    address += f"?{urlencode(given['query'])}" if given["query"] else ""
    lines = [f"curl -X {method} {shlex.quote(address)}", '-H "Authorization: Bearer $TOKEN"']
    lines += [f"-H {shlex.quote(f'{name}: {example}')}" for name, example in given["header"].items()]
    if body := described.get("requestBody"):
        example = json.dumps(_content(body)["example"], ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(example)}"]
    return " \\\n  ".join(lines)


def _failures(operation: Operation) -> Iterator[str]:
    for kind in operation.errors:
        when = (kind.__doc__ or "").strip().partition("\n")[0]
        yield f"| {kind.status} | `{kind.code}` | {when} |"
