"""Input and output of a view: `@takes` validates the body or the query, `@gives` wraps the returned value."""

from collections.abc import Callable
from functools import wraps
from typing import IO, Any, Literal
from urllib.parse import parse_qsl

from flask import Request, Response
from marshmallow import Schema, ValidationError
from werkzeug.wsgi import get_content_length

from app import strict_json
from app.errors import BodyTooLargeError, InvalidParamsError
from app.schemas import Body
from app.web.declarations import DeclarationError, declare
from app.web.rendering import json_response
from app.web.services import services
from app.web.state import current

_KEY = "send_message.body"
_MOST_NAMES = 100


def takes(
    schema: type[Body], *, location: Literal["json", "query"] = "json"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Pass the validated JSON body to the view as `body`, or the validated query string as `query`.

    Invalid input is answered 400 with the schema's `refusal`; a body that is too large is not read to its end.
    Raises DeclarationError.
    """
    if not _is_class(schema, Body):
        raise DeclarationError("@takes wants a class of Body or Query: @takes(NewContact).")
    if location not in _READERS:
        raise DeclarationError('@takes reads location="json" or location="query".')
    name, read = _READERS[location]
    loaded = schema()

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the view's own
            try:
                kwargs[name] = loaded.load(read())
            except ValidationError as error:
                raise InvalidParamsError from error
            return view(*args, **kwargs)

        return declare(view, reading, "takes", **{name: schema})

    return decorate


def gives(
    message: str, schema: type[Schema], *, under: str = "data"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer 200 with `{"message": message, under: <the view's value>}`; `schema` describes that value.

    Lists are paginated: make `schema` the `page_of` the items' schema, and `under` the name of the list.
    Raises DeclarationError.
    """
    if not _is_class(schema, Schema):
        raise DeclarationError(
            '@gives wants a sentence and a class of Schema: @gives("Contact created!", Contact); '
            "for a list, page_of(Contact)."
        )

    def decorate(view: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
        @wraps(view)
        def answering(*args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - the view's own
            return json_response({"message": message, under: view(*args, **kwargs)})

        return declare(view, answering, "gives", message=message, gives=schema, under=under)

    return decorate


def _is_class(found: object, kind: type) -> bool:
    return isinstance(found, type) and issubclass(found, kind)


def json_body() -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return the parsed JSON body, read once per request; raises InvalidParamsError, BodyTooLargeError."""
    request = current()
    if _KEY not in request.environ:
        try:
            request.environ[_KEY] = strict_json.read(_raw_body(request))
        except strict_json.StrictJsonError as error:
            raise InvalidParamsError from error
    return request.environ[_KEY]


def _query() -> dict[str, str]:
    """Return the query parameters: names unique, values valid UTF-8 without U+0000; raises InvalidParamsError."""
    try:
        given = current().query_string.decode("ascii")
        pairs = parse_qsl(given, keep_blank_values=True, errors="strict", max_num_fields=_MOST_NAMES)
    except ValueError as error:
        raise InvalidParamsError from error
    values = dict(pairs)
    if len(values) != len(pairs) or any("\0" in value for value in values.values()):
        raise InvalidParamsError
    return values


_READERS: dict[str, tuple[str, Callable[[], Any]]] = {"json": ("body", json_body), "query": ("query", _query)}


def _raw_body(request: Request) -> bytes:
    """Return the body if its Content-Type is JSON in UTF-8 and it is not larger than MAX_BODY_BYTES."""
    if not _is_json(request):
        raise InvalidParamsError
    largest, announced = services().largest_body, get_content_length(request.environ)
    if (announced or 0) > largest:
        raise BodyTooLargeError
    # One extra byte distinguishes a chunked body that is too large from one that just fits.
    data = _read(request, largest + 1)
    if len(data) > largest:
        raise BodyTooLargeError
    # A body shorter than its Content-Length is incomplete (RFC 9112 section 8), even if it parses as JSON.
    if announced not in {None, len(data)}:
        raise InvalidParamsError
    return data


def _is_json(request: Request) -> bool:
    if request.environ.get("CONTENT_TYPE") == "application/json":
        # The usual spelling, with no parameters to parse.
        return True
    charset = request.mimetype_params.get("charset", "utf-8")
    return request.mimetype == "application/json" and charset.lower() == "utf-8"


def _read(request: Request, size: int) -> bytes:
    """Read at most `size` bytes, without Werkzeug's wrapper if the server itself ends the stream."""
    environ = request.environ
    stream: IO[bytes] = environ["wsgi.input"] if environ.get("wsgi.input_terminated") else request.stream
    data = bytearray()
    try:
        # A single read may return less than is available.
        while len(data) < size and (piece := stream.read(size - len(data))):
            data += piece
    except Exception as error:
        # The chunked encoding is invalid or the body is cut off: each WSGI server raises its own exceptions.
        raise InvalidParamsError from error
    return bytes(data)
