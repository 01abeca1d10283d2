"""The page of an operation tells of its own failures, and what may stand in a request."""

import gc
import shlex
from dataclasses import replace

from marshmallow import fields, validate

from app.errors import BadRequestError
from app.schemas import Body, Paging, text
from app.web.reference import markdown
from tests.conventions.operations import OPERATIONS

(SEND,) = [operation for operation in OPERATIONS if operation.name == "send_message"]


def test_a_failure_of_one_view_is_on_its_page_alone() -> None:
    """Callers of the others need not ask themselves how they could come by it."""
    kind: type[BadRequestError] = type(
        "ElsewhereError", (BadRequestError,), {"__doc__": "Elsewhere.", "code": "ELSEWHERE"}
    )
    try:
        kind.only_in = frozenset({"another_view"})
        assert "ELSEWHERE" not in markdown.page(SEND, "1/s")
        kind.only_in = frozenset({"send_message"})
        assert "ELSEWHERE" in markdown.page(SEND, "1/s")
    finally:
        # It is among all failures for as long as it is there; classes hold themselves.
        del kind
        gc.collect()


def test_failures_stand_by_their_status() -> None:
    """As a reader who has one looks for it."""
    rows = [
        line.split(" | ")[0] for line in markdown.page(SEND, "1/s").splitlines() if line.startswith(("| 4", "| 5"))
    ]
    assert len(set(rows)) > 1
    assert rows == sorted(rows)


class Street(Body):
    """Part of a body."""

    refusal = ""
    name = text("Main", description="What is on its sign")
    number = fields.Integer(validate=validate.Range(min=1), load_default=1)


class Address(Body):
    """A body of all kinds."""

    refusal = ""
    street = fields.Nested(Street, required=True, metadata={"description": "Where"})
    kind = fields.String(validate=validate.OneOf(["home", "a|b"]), load_default="home")
    code = fields.String(validate=validate.Length(max=9), metadata={"description": "1 | 2", "example": "№ 1"})
    others = fields.List(fields.Nested(Street))


def test_what_may_stand_in_a_request_is_told() -> None:
    """Ranges, defaults, the only values, and the fields of what is within."""
    operation = replace(SEND, declaration=replace(SEND.declaration, query=Paging, body=Address))
    page = markdown.page(operation, "1/s")
    for row in (
        "| `items_per_page` | query | integer, 1 to 100, default 20 | How many items a page has |",
        "| `street` | body | object | Where (required) |",
        "| `street.name` | body | string | What is on its sign (required) |",
        "| `street.number` | body | integer, at least 1, default 1 |  |",
        '| `kind` | body | string, "home" or "a\\|b", default "home" |  |',
        "| `code` | body | string, at most 9 characters | 1 \\| 2 |",
        "| `others.name` | body | string | What is on its sign (required) |",
    ):
        assert row in page
    # In the command, and in the document.
    assert page.count('"№ 1"') > 1


def test_a_curl_takes_every_parameter_that_has_an_example() -> None:
    """Wherever it stands; an id without one is left to the reader."""
    parameters = [
        {"name": "company_id", "in": "path", "schema": {"example": "acme"}},
        {"name": "contact_id", "in": "path", "schema": {}},
        {"name": "page_number", "in": "query", "schema": {"example": 1}},
        {"name": "name", "in": "query", "schema": {}},
        {"name": "Idempotency-Key", "in": "header", "schema": {"example": "it's 1"}},
    ]
    told = markdown._curl("GET", "https://a.test/{company_id}/{contact_id}", {"parameters": parameters})
    assert shlex.split(told.replace("\\\n", "")) == [
        *("curl", "-X", "GET", "https://a.test/acme/{contact_id}?page_number=1"),
        *("-H", "Authorization: Bearer $TOKEN", "-H", "Idempotency-Key: it's 1"),
    ]


def test_who_sends_is_shown_a_key() -> None:
    """Whoever copies the command sends at most once; of a route that sends nothing there is no key."""
    page, other = (
        markdown.page(replace(SEND, declaration=replace(SEND.declaration, sends=sends)), "1/s")
        for sends in (True, False)
    )
    rows = page.splitlines()
    (row,) = [it for it in rows if it.startswith("| `Idempotency-Key` | header | string, 1 to 255 ")]
    assert "(required)" not in row
    assert "  -H 'Idempotency-Key: order-" in page
    assert "Idempotency-Key" not in other
