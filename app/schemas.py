"""Schemas of requests and responses: the base classes and the parts that several schemas share.

A field's `metadata` is its published documentation: give each a `description` and an `example`.
"""

from functools import cache
from inspect import isfunction
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, SchemaOpts, ValidationError, fields, validate

# A JSON object.
Document = dict[str, Any]

_MOST_DIGITS = 9


class _Options(SchemaOpts):
    """Unknown fields are dropped unless a Meta says otherwise; one that says nothing of them changes nothing."""

    def __init__(self, meta: type) -> None:
        super().__init__(meta)
        self.unknown = getattr(meta, "unknown", EXCLUDE)


class _Lenient(Schema):
    OPTIONS_CLASS = _Options


class Body(_Lenient):
    """A JSON request body. Unknown fields are ignored: newer editions of the API have more.

    `refusal` is the error sentence for a request that lacks something the route needs.
    """

    refusal: ClassVar[str]


class Query(Body):
    """The query parameters of a route; every value arrives as a string."""


class JsonBoolean(fields.Boolean):
    """A JSON true or false; marshmallow's own also accepts 1 and "yes"."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - as marshmallow declares it
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Digits(fields.Integer):
    """A whole number of at most nine ASCII digits; marshmallow's own also accepts " +1" and other scripts."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:  # noqa: ANN401 - as marshmallow declares it
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            raise self.make_error("invalid", input=value)
        return int(value)


def text(example: str, **metadata: str) -> fields.String:
    """Return a required string field; its `format` is documented, not validated."""
    return fields.String(required=True, metadata={"example": example, **metadata})


# Fields that accept exactly the values of one type.
_PLAIN: dict[type[fields.Field[Any]], type] = {fields.String: str, JsonBoolean: bool}


def _kinds_of(schema: Schema) -> dict[str, type] | None:
    """Return the type of each field's values by name, or None if the schema checks more than types."""
    own = type(schema).__mro__[: type(schema).__mro__.index(Answer)]
    has_rules = any(isfunction(part) for kind in own for part in vars(kind).values())
    if has_rules or schema.unknown != EXCLUDE or schema.many or schema.partial:
        return None
    found = {name: _PLAIN[type(field)] for name, field in schema.fields.items() if _is_plain(field)}
    return found if len(found) == len(schema.fields) else None


def _is_plain(field: fields.Field[Any]) -> bool:
    is_odd = field.dump_only or field.data_key is not None or field.attribute is not None
    return type(field) in _PLAIN and field.required and not (field.validators or is_odd)


class Answer(_Lenient):
    """An upstream service's response body that is passed on; fields that the schema does not name are dropped."""

    def __init__(self, **how: Any) -> None:  # noqa: ANN401 - marshmallow's own
        super().__init__(**how)
        self._kinds = _kinds_of(self)

    def load(self, data: Any, **how: Any) -> Any:  # noqa: ANN401 - as marshmallow declares it
        """Return the document; marshmallow is called only if checking types is not enough, or finds a wrong one.

        It takes 25 µs for nine fields. Raises ValidationError.
        """
        if how or self._kinds is None or not isinstance(data, dict):
            return super().load(data, **how)
        for name, kind in self._kinds.items():
            if type(data.get(name)) is not kind:
                return super().load(data)
        return {name: data[name] for name in self._kinds}


def not_blank(value: str) -> None:
    """Raise ValidationError if the value is empty or only white space."""
    if not value.strip():
        raise ValidationError("blank")


class Paging(Query):
    """The query parameters that select a page of a list."""

    refusal = "page_number must be 1 or more, items_per_page 1 to 100!"

    page_number = Digits(
        load_default=1,
        validate=validate.Range(min=1, max=10**_MOST_DIGITS - 1),
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
    """Return the schema of a page of a list: its items under `data`, its position under `pagination`."""
    parts = {
        "data": fields.List(fields.Nested(item), required=True),
        "pagination": fields.Nested(Pagination, required=True),
    }
    return Answer.from_dict(parts, name=f"{item.__name__}Page")
