"""What the building blocks of schemas take and give."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates

from app.chat.conversations import SentMessage
from app.schemas import Answer, Body, Paging, text
from tests.wire import sent_message

WHOLE = sent_message("b2c3d4e5-f6a7-8901-bcde-f12345678901", "Hello")
# Whatever may stand in a field, or nothing.
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text(), max_size=1))


def told(load: Any, document: Any) -> Any:
    """What was loaded, or what is wrong."""
    try:
        return load(document)
    except ValidationError as error:
        return error.messages


@given(st.dictionaries(st.sampled_from([*WHOLE, "other"]), VALUES, max_size=2), st.sampled_from([*WHOLE, "other"]))
def test_an_answer_is_what_marshmallow_finds(odd: dict[str, Any], missing: str) -> None:
    """The short way for what is plain changes nothing: neither what is taken nor what is said against it."""
    schema = SentMessage()
    for document in (WHOLE | odd, {name: value for name, value in WHOLE.items() if name != missing}, odd):
        assert told(schema.load, document) == told(lambda it: Schema.load(schema, it), document)


@pytest.mark.parametrize("name", Paging().fields)
def test_whatever_is_documented_of_paging_is_taken(name: str) -> None:
    """The document has bounds of each number, and the largest one is taken."""
    [bounds] = Paging().fields[name].validators
    assert isinstance(bounds, validate.Range)
    assert Paging().load({name: f"{bounds.max}"})[name] == bounds.max


@pytest.mark.parametrize("document", [None, [], [WHOLE], "text", 7])
def test_an_answer_is_an_object(document: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(ValidationError):
        SentMessage().load(document)


class _Strict(Answer):
    a = text("b")

    class Meta:
        """Other fields are refused."""

        unknown = RAISE


class _Checked(Answer):
    a = fields.String(required=True, validate=validate.Length(max=1))


class _CheckedByMethod(Answer):
    a = text("b")

    @validates("a")
    def _is_short(self, value: str, data_key: str) -> None:  # noqa: ARG002 - marshmallow gives it
        if len(value) > 1:
            raise ValidationError("long")


class _CheckedByParent(_CheckedByMethod):
    b = text("c")


class _Nullable(Answer):
    a = fields.String(required=True, allow_none=True)


class _Optional(Answer):
    a = fields.String()
    b = fields.String(required=True)


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (_Strict, {"a": "b", "c": "d"}),
        (_Checked, {"a": "long"}),
        (_CheckedByMethod, {"a": "long"}),
        (_CheckedByParent, {"a": "long", "b": "c"}),
        (_Optional, {"a": None, "b": "c"}),
        (partial(SentMessage, many=True), WHOLE),
    ],
)
def test_rules_of_a_schema_are_kept(schema: Callable[[], Answer], document: dict[str, Any]) -> None:
    """Whatever asks for more than plain values is asked of marshmallow."""
    with pytest.raises(ValidationError):
        schema().load(document)


class _Dated(Answer):
    a = text("b")

    class Meta:
        """Nothing is said of other fields."""

        dateformat = "iso"


class _DatedBody(Body):
    a = text("b")

    class Meta:
        """Nothing is said of other fields."""

        dateformat = "iso"


@pytest.mark.parametrize("schema", [_Dated, _DatedBody])
def test_unknown_fields_are_dropped_whatever_a_meta_is_for(schema: type[Schema]) -> None:
    """A Meta replaces that of its parent, so that one about dates would refuse the fields of a newer edition."""
    assert schema().load({"a": "b", "c": "d"}) == {"a": "b"}


class _Changed(Answer):
    a = fields.String(required=True, data_key="A")

    @post_load
    def _shout(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value.upper() for name, value in data.items()}


def test_what_a_schema_does_is_done() -> None:
    """Renaming, hooks, optional and empty fields, `partial` and `dump_only` mean what marshmallow says."""
    assert _Changed().load({"A": "b"}) == {"a": "B"}
    assert _Optional().load({"b": "c", "d": "e"}) == {"b": "c"}
    assert _Nullable().load({"a": None, "d": "e"}) == {"a": None}
    assert SentMessage(partial=True).load({}) == {}
    assert "body" not in SentMessage(dump_only=["body"]).load(WHOLE)
