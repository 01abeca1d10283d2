"""Which bodies and queries every company-scoped operation takes, and how it refuses all others."""

import pytest

from app.errors import IncompleteError
from app.web.declarations import Operation
from tests.conventions.operations import Scratch, every, told, with_body


@with_body
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 60_000, b"\xff"],
    ids=lambda body: repr(body[:20]),
)
def test_garbage_for_a_body_is_400(operation: Operation, body: bytes) -> None:
    """In the operation's own words; nothing reaches the service behind."""
    scratch = Scratch(operation)
    answer = scratch.call(data=body, content_type="application/json")

    assert told(answer) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@with_body
def test_a_body_too_large_or_of_another_type_is_400(operation: Operation) -> None:
    """Like any other body that cannot be taken."""
    scratch = Scratch(operation)

    assert told(scratch.call(data=b" " * 65_537, content_type="application/json"))[1] == "BODY_TOO_LARGE"
    assert told(scratch.call(data=b"{}", content_type="text/plain"))[1] == "INVALID_PARAMS"
    assert scratch.wire.chats == []


@with_body
def test_every_required_field_is_required(operation: Operation) -> None:
    """Without it, or all of them, the request is refused before the service behind hears of it."""
    scratch = Scratch(operation)
    body = scratch.body or {}
    fields = operation.declaration.body().fields if operation.declaration.body else {}
    required = [name for name, field in fields.items() if field.required]
    for missing in [*({name} for name in required), {*body}] if required else []:
        less = {key: value for key, value in body.items() if key not in missing}
        assert told(scratch.call(json=less)) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@every
@pytest.mark.parametrize("query", ["{name}=%00", "{name}=%ff", "{name}=1&{name}=1"])
def test_garbage_for_a_query_is_400(operation: Operation, query: str) -> None:
    """U+0000, what is no UTF-8, and a name given twice are refused in the operation's own words."""
    scratch = Scratch(operation)
    for name in scratch.query:
        answer = scratch.call(query_string=query.format(name=name))
        assert told(answer) == (400, "INVALID_PARAMS", operation.declaration.refusal)
    assert scratch.wire.chats == []


@every
def test_its_refusal_is_its_own(operation: Operation) -> None:
    """Where it takes something, it says itself what it needs."""
    takes = operation.declaration.body or operation.declaration.query
    assert not takes or operation.declaration.refusal != IncompleteError.sentence
