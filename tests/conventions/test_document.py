"""The OpenAPI document has the structure of the published one."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from openapi_core import OpenAPI

from app.version import VERSION
from app.web.reference import document
from tests.conventions.operations import OPERATIONS

# The published document as it is, but for its prose: descriptions, and the summaries of examples, are left out.
CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))
PROSE = "…"


def without_prose(node: Any, parent: str = "") -> Any:
    """The node with a mark in place of each text that is ours to write."""
    if isinstance(node, list):
        return [without_prose(part) for part in node]
    if not isinstance(node, dict):
        return node
    prose = {"description"} if parent == "properties" else {"description", "summary"}
    if "operationId" in node:
        prose = {"description"}
    return {
        name: PROSE if name in prose and isinstance(part, str) else without_prose(part, name)
        for name, part in node.items()
    }


def differences(expected: Any, actual: Any, place: str = "") -> list[str]:
    """Where the two part, node by node."""
    if not (isinstance(expected, dict) and isinstance(actual, dict)):
        same = expected == actual and type(expected) is type(actual)
        return [] if same else [f"{place}: {expected!r} {actual!r}"]
    one_sided = [f"{place}/{name}" for name in sorted(expected.keys() ^ actual.keys())]
    both = sorted(expected.keys() & actual.keys())
    return one_sided + [at for name in both for at in differences(expected[name], actual[name], f"{place}/{name}")]


def published_part(ours: dict[str, Any]) -> dict[str, Any]:
    """Of what we document, what the published document speaks of; operations and their schemas may be added."""
    paths = {path: told for path, told in ours["paths"].items() if path in CONTRACT["paths"]}
    schemas = ours["components"]["schemas"]
    known = {name: schema for name, schema in schemas.items() if name in CONTRACT["components"]["schemas"]}
    return {**ours, "paths": paths, "components": {**ours["components"], "schemas": known}}


def test_the_document_is_the_published_one(client: FlaskClient) -> None:
    """Not one node more, fewer or other; only the version is the service's own."""
    ours = client.get("/openapi.json").get_json()
    published = {**CONTRACT, "info": {**CONTRACT["info"], "version": VERSION}}
    assert differences(published, without_prose(published_part(ours))) == []


def test_it_is_openapi(client: FlaskClient) -> None:
    """Version 3.0.3, and valid by its own schema."""
    ours = client.get("/openapi.json").get_json()
    assert ours["openapi"] == "3.0.3"
    OpenAPI.from_dict(ours)


def test_it_is_the_same_each_time() -> None:
    """Nothing that one document is made of is changed by making it."""
    assert document.make(OPERATIONS) == document.make(OPERATIONS)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/openapi.json", "application/json"),
        ("/llms.txt", "text/plain; charset=utf-8"),
        ("/docs/send-message.md", "text/markdown; charset=utf-8"),
    ],
)
def test_the_reference_is_for_everybody(client: FlaskClient, path: str, content_type: str) -> None:
    """Without a token, and of its own type."""
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)


def test_there_is_no_page_of_what_is_no_operation(client: FlaskClient) -> None:
    """404 as everywhere."""
    answer = client.get("/docs/another.md")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "NOT_FOUND")


def test_the_page_tells_what_the_structure_has_no_place_for(client: FlaskClient) -> None:
    """The published structure knows neither the key nor the outcome: the prose says it."""
    page = client.get("/docs/send-message.md").get_data(as_text=True)
    prose = client.get("/openapi.json").get_json()["paths"]["/v1/send-message/{company_id}/{conversation_id}"]
    for word in ("Idempotency-Key", "X-Send-Outcome", "Idempotent-Replayed", "Retry-After"):
        assert word in page
        assert word in prose["post"]["description"]
    for word in ("X-Request-ID", "SEND_OUTCOME_UNKNOWN", "30 per minute"):
        assert word in page
    assert "NOT_FOUND" not in page
