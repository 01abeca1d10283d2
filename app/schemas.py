"""What requests and answers are made of: the kinds of schema, and the parts that several of them have.

A field's `metadata` is what the documents say of it: give each a `description` and an `example`.
"""

from functools import cache
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

# A JSON object.
Document = dict[str, Any]

_MOST_DIGITS = 9


class Body(Schema):
    """A JSON object that a route takes. Unknown fields are ignored: newer editions of the API have more.

    `refusal` is the sentence for everyone who gives less than the route needs.
    """

    refusal: ClassVar[str]

    class Meta:
        """Unknown fields are left out."""

        unknown = EXCLUDE


class Query(Body):
    """What a route takes from the query of its URL; every value comes as text."""


class Answer(Schema):
    """What a service behind ours answers and we pass on. Fields that it does not name are left out."""

    class Meta:
        """Unknown fields are left out."""

        unknown = EXCLUDE


class JsonBoolean(fields.Boolean):
    """True or false and nothing that resembles them; marshmallow's own takes 1 and "yes" as well."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - as marshmallow declares it
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Text(fields.String):
    """A text taken as it is, without the 3 µs that marshmallow spends on finding nothing to do with it."""

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as marshmallow declares it
        """The text; marshmallow says what is wrong with anything else."""
        if isinstance(value, str) and not self.validators:
            return value
        return super().deserialize(value, *args, **kwargs)


class Digits(fields.Integer):
    """A whole number in at most nine ASCII digits; marshmallow's own takes " +1" and other scripts as well."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:  # noqa: ANN401 - as marshmallow declares it
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            raise self.make_error("invalid", input=value)
        return int(value)


def text(example: str, **metadata: str) -> Text:
    """A required text. Of an answer, its `format` is documented and not judged."""
    return Text(required=True, metadata={"example": example, **metadata})


def not_blank(value: str) -> None:
    """Raise ValidationError for a text of nothing but white space."""
    if not value.strip():
        raise ValidationError("blank")


class Paging(Query):
    """Which part of a list is wanted."""

    refusal = "page_number must be 1 or more, items_per_page 1 to 100!"

    page_number = Digits(
        load_default=1,
        validate=validate.Range(min=1),
        metadata={"description": "Which page, from 1 on", "example": 1},
    )
    items_per_page = Digits(
        load_default=20,
        validate=validate.Range(min=1, max=100),
        metadata={"description": "How many items a page has", "example": 20},
    )


def _count(description: str, example: int) -> fields.Integer:
    return fields.Integer(required=True, strict=True, metadata={"description": description, "example": example})


class Pagination(Answer):
    """Where a page stands in its list."""

    page_number = _count("Which page this is, from 1 on", 1)
    items_per_page = _count("How many items a page has", 20)
    total_count = _count("How many items there are", 1)
    total_pages = _count("How many pages there are", 1)


@cache
def page_of(item: type[Answer]) -> type[Schema]:
    """The schema of a page of a list: its items under `data`, and where it stands under `pagination`."""
    parts = {
        "data": fields.List(fields.Nested(item), required=True),
        "pagination": fields.Nested(Pagination, required=True),
    }
    return Answer.from_dict(parts, name=f"{item.__name__}Page")
