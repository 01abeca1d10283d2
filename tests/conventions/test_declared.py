"""What every company-scoped operation says of itself. A new one is held to all of it, with nothing to write."""

import ast
import inspect
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from marshmallow import fields

from app.principals import Account
from app.web.declarations import Operation, declaration_of
from app.web.reference import published
from app.web.reference.document import body_of, example_of
from tests.conftest import ENVIRON
from tests.conventions.operations import OPERATIONS, Scratch
from tests.environs import ROOT

every = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
# Probes, the version and the reference: they tell nothing of any company.
FOR_ANYBODY = {
    "/docs",
    "/docs/<page>.md",
    "/docs/assets/<name>",
    "/health/live",
    "/health/ready",
    "/llms.txt",
    "/openapi.json",
    "/v1",
}
# All that the application that is served has, and the one that the factory makes.
_RULES = """
import wsgi, app
print([sorted(map(repr, it.url_map.iter_rules())) for it in (wsgi.app, app.create_app())])
"""


def documented(operation: Operation) -> dict[str, Any]:
    """What the document says of it."""
    document = Scratch(operation).client.get("/openapi.json").get_json()
    path = operation.rule.replace("<", "{").replace(">", "}")
    found: dict[str, Any] = document["paths"][path][operation.method.lower()]
    return found


@every
def test_it_is_documented(operation: Operation) -> None:
    """With its answers, and the ids that it asks for."""
    told = documented(operation)
    in_path = {value["name"] for value in told["parameters"] if value["in"] == "path"}

    assert {"200", "400", "401", "403", "429", "500"} == set(told["responses"])
    assert in_path == set(operation.ids)
    assert ("requestBody" in told) == (operation.declaration.body is not None)
    assert told["security"] == [{"BearerAuth": []}]


@every
def test_it_has_a_page_of_its_own(operation: Operation) -> None:
    """Listed in the index; it has the summary, the request and the answer."""
    client = Scratch(operation).client
    page = f"/docs/{operation.name.replace('_', '-')}.md"

    assert f"({page})" in client.get("/llms.txt").get_data(as_text=True)
    text = client.get(page).get_data(as_text=True)
    assert f"# {documented(operation)['summary']}\n" in text
    assert f"`{operation.method} /v1/" in text
    assert operation.declaration.message in text
    failures = set(re.findall(r"^\| (\d{3}) \| `", text, re.MULTILINE))
    assert failures <= set(documented(operation)["responses"]), "an error has a status that the document has not."


@every
def test_it_is_named(operation: Operation) -> None:
    """As its view, under a tag that the document has: the name of its blueprint."""
    told = documented(operation)

    assert told["operationId"].lower() == operation.view.__name__.replace("_", "")
    tags = [tag["name"] for tag in published.ABOUT["tags"]]
    assert told["tags"][0] in tags, "name the blueprint as one of the document's tags"


@every
def test_its_docstring_says_what_it_does(operation: Operation) -> None:
    """Its first line is the summary in the document, so it is one sentence."""
    told = (operation.view.__doc__ or "").strip().partition("\n")[0]
    assert told.endswith("."), f"{operation}: write a docstring; its first line is the summary in the document."


@every
def test_its_view_is_typed(operation: Operation) -> None:
    """It gets an Account, never the company's id; every other argument comes by name; all have types."""
    signature = inspect.signature(inspect.unwrap(operation.view))
    first, *others = signature.parameters.values()

    assert first.annotation is Account, f"{operation}: its view takes `account: Account` first."
    assert "company_id" not in signature.parameters, f"{operation}: its view has the company from its Account."
    by_name = {value.kind for value in others} <= {inspect.Parameter.KEYWORD_ONLY}
    assert by_name, f"{operation}: what else its view takes stands after a `*`."
    assert inspect.Parameter.empty not in {value.annotation for value in others}
    assert signature.return_annotation == dict[str, Any]


@every
def test_its_fields_are_described(operation: Operation) -> None:
    """Each has an example; what the caller writes has a description, too."""
    taken = [schema for schema in (body_of(operation), operation.declaration.query) if schema]
    assert operation.declaration.gives is not None
    for schema in taken:
        for name, field in schema().fields.items():
            wanted = {"description", "example"}
            assert wanted <= set(field.metadata), f"{schema.__name__}.{name}: give it metadata {wanted}."
    for name, field in operation.declaration.gives().fields.items():
        nested = isinstance(field, fields.Nested | fields.List)
        assert nested or "example" in field.metadata, f"{name}: give it metadata with an example."


@every
def test_its_examples_are_taken(operation: Operation) -> None:
    """The examples of the document pass the operation's own schemas."""
    body, query = body_of(operation), operation.declaration.query
    if body:
        assert body().validate(example_of(body)) == {}
    if query:
        assert query().validate({name: str(example) for name, example in example_of(query).items()}) == {}


@every
def test_it_is_of_the_api(operation: Operation) -> None:
    """Its path begins with the version: proxies, alerts and dashboards go by that."""
    assert operation.rule.startswith("/v1/")


def test_what_anybody_may_call_is_listed() -> None:
    """Without a token: @public alone opens no path, whoever writes it has it read here as well."""
    app = Scratch(OPERATIONS[0]).client.application
    open_to_all = {
        it.rule for it in app.url_map.iter_rules() if declaration_of(app.view_functions[it.endpoint]).public
    }
    assert open_to_all == FOR_ANYBODY, "Write @company_scoped in place of @public, or list the path here."


def test_what_is_served_is_what_the_factory_makes() -> None:
    """Nobody adds a route afterwards, where no rule of the start sees it."""
    environ = {**ENVIRON, "PATH": os.environ["PATH"]}
    told = subprocess.run(
        [sys.executable, "-c", _RULES], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout
    served, made = ast.literal_eval(told)
    assert served == made != []
