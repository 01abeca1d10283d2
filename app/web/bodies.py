"""What a route takes and gives: `@takes` reads the body by a schema, `@gives` wraps what the view returns."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from flask import Response, request
from marshmallow import EXCLUDE, Schema, ValidationError

from app import strict_json
from app.errors import BodyTooLargeError, InvalidParamsError
from app.web.rendering import json_response
from app.web.services import services


class Body(Schema):
    """A JSON object that a route takes. Unknown fields are ignored: newer editions of the API have more."""

    refusal: ClassVar[str]

    class Meta:
        """Unknown fields are left out."""

        unknown = EXCLUDE


def not_blank(value: str) -> None:
    """Raise ValidationError for a text of nothing but white space."""
    if not value.strip():
        raise ValidationError("blank")


def takes(schema: type[Body]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Hand the view the validated JSON body as `body`.

    Any other body is answered 400 with the schema's `refusal`; one that is too large is not read to its end.
    """
    loaded = schema()

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
            try:
                body = loaded.load(strict_json.read(_raw_body(schema.refusal)))
            except (strict_json.StrictJsonError, ValidationError) as error:
                raise InvalidParamsError(schema.refusal) from error
            return view(*args, body=body, **kwargs)

        return reading

    return decorate


def gives(
    message: str, schema: type[Schema], *, under: str = "data"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer 200 with `{"message": message, under: what the view returns}`; the schema describes the latter."""

    def decorate(view: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
        @wraps(view)
        def answering(*args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - the view's own
            return json_response({"message": message, under: view(*args, **kwargs)})

        answering.gives = schema  # type: ignore[attr-defined] # for those who read declarations
        return answering

    return decorate


def _raw_body(refusal: str) -> bytes:
    """The body's bytes, if it is announced as JSON in UTF-8 and not larger than MAX_BODY_BYTES."""
    if request.mimetype != "application/json":
        raise InvalidParamsError(refusal)
    if request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise InvalidParamsError(refusal)
    largest = services().largest_body
    if (request.content_length or 0) > largest:
        raise BodyTooLargeError(refusal)
    # One byte more tells a chunked body that is too large from one that just fits.
    data = _read(largest + 1, refusal)
    if len(data) > largest:
        raise BodyTooLargeError(refusal)
    # Shorter than announced it is incomplete (RFC 9112 section 8), even if what came is JSON.
    if request.content_length not in {None, len(data)}:
        raise InvalidParamsError(refusal)
    return data


def _read(size: int, refusal: str) -> bytes:
    data = bytearray()
    try:
        # One read may give less than there is.
        while len(data) < size and (piece := request.stream.read(size - len(data))):
            data += piece
    except Exception as error:
        # A body that is chunked wrongly or cut off: each WSGI server has exceptions of its own for that.
        raise InvalidParamsError(refusal) from error
    return bytes(data)
