"""Fields of bodies and queries are of one type, as the guide lists them."""

from typing import Any

import pytest
from marshmallow import fields

from app.schemas import Body, Digits, JsonBoolean, text
from app.web.bodies import takes
from app.web.declarations import DeclarationError
from app.web.operations import operations
from config.checks import rate_limit
from tests.unit.web.declared import GIVES, GUARD, Name, application


def loose(field: fields.Field[Any]) -> type[Body]:
    """A body with such a field."""
    return type("Loose", (Name,), {"more": field})


@pytest.mark.parametrize(
    "field",
    [
        *(fields.Boolean(), fields.Integer(), fields.Float(), fields.Raw(), fields.Dict(), fields.Decimal()),
        *(fields.List(fields.Boolean()), fields.List(fields.List(fields.Raw())), fields.DateTime(), fields.UUID()),
        fields.Nested(loose(fields.Integer())),
    ],
    ids=repr,
)
def test_a_field_that_takes_what_nobody_means_is_told(field: fields.Field[Any]) -> None:
    """Marshmallow's own take "yes" for true, 5.9 for 5, "1" for 1, or an object that names another company."""
    with pytest.raises(DeclarationError, match="its fields take what nobody means"):
        operations(application("/a/<company_id>", "POST", GUARD, takes(loose(field)), GIVES), rate_limit)


@pytest.mark.parametrize(
    "field",
    [
        *(text("a"), fields.String(allow_none=True), JsonBoolean(), fields.Integer(strict=True), Digits()),
        *(fields.List(fields.Integer(strict=True)), fields.List(fields.Nested(Name)), fields.Nested(Name)),
    ],
    ids=repr,
)
def test_a_field_of_one_type_is_taken(field: fields.Field[Any]) -> None:
    """As the guide lists them."""
    operations(application("/a/<company_id>", "POST", GUARD, takes(loose(field)), GIVES), rate_limit)
