"""Rendering of responses: JSON, errors as the contract's error object, and the headers of every response."""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from app.errors import (
    ForbiddenError,
    InternalError,
    InvalidParamsError,
    MethodNotAllowedError,
    NotFoundError,
    Outcome,
    ServerError,
    ServiceError,
    UnauthorizedError,
)
from app.upstream.transport import UNEXPECTED
from app.web.state import current_state

logger = logging.getLogger(__name__)

_BAD_REQUEST = 400
_PROBLEM_OF_SENDS = "Problem encountered while sending the message!"
_REALM = 'Bearer realm="SalesCaptain API"'

# Defaults. The last two are for browsers that show a response as a page; routes that serve pages set their own.
_UNLESS_GIVEN = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)


# json.dumps would create an encoder per call.
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class _Whole(Response):
    """A response with complete headers; Werkzeug would copy them and search the copy for missing ones."""

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ANN401, ARG002 - as Werkzeug declares it
        return self.headers


def json_response(document: Any, status: int = 200) -> Response:  # noqa: ANN401 - whatever JSON can hold
    """Return the document as a JSON response in UTF-8.

    A lone surrogate, which UTF-8 cannot encode, is written as a JSON escape, as it arrived.
    """
    body = _ENCODER.encode(document).encode(errors="backslashreplace") + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    # In a list: given plain bytes, Werkzeug would compute and set Content-Length again.
    return _Whole([body], status, headers)


def install(app: Flask) -> None:
    """Register the error handlers and the hook that adds headers to every response."""
    app.register_error_handler(ServiceError, _render)
    app.register_error_handler(HTTPException, _translate_http)
    app.register_error_handler(Exception, _translate_unforeseen)
    app.after_request(_add_headers)


def _render(error: ServiceError) -> Response:
    state = current_state()
    state.error = error
    if error.reason == UNEXPECTED:
        _tell(_beginning_of(error))
    _forget_places(error)
    document = {
        "error": _sentence_of(error, state.outcome),
        "code": error.code,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "path": request.path,
        "request_id": state.correlation.request_id,
    }
    if error.status == _BAD_REQUEST:
        document["status"] = "failure"
    if state.outcome:
        document["send_outcome"] = state.outcome
    response = json_response(document, error.status)
    response.headers.update(_headers_of(error, state.outcome))
    return response


def _forget_places(error: BaseException) -> None:
    """Drop the tracebacks of the error and of its causes.

    Their frames refer to the request, which refers to the error: a cycle that would keep the body in memory until
    the garbage collector runs.
    """
    gone: BaseException | None = error
    while gone is not None:
        gone.__traceback__ = None
        gone = gone.__cause__ or gone.__context__


def _sentence_of(error: ServiceError, outcome: Outcome | None) -> str:
    """Return the error's sentence; on routes that send, a 5xx adds that nothing was sent if that is so."""
    if outcome and isinstance(error, InternalError):
        return _PROBLEM_OF_SENDS
    if outcome == "not_sent" and isinstance(error, ServerError):
        return f"{error.sentence} Nothing was sent."
    return error.sentence


def _may_be_repeated(error: ServiceError, outcome: Outcome | None) -> bool:
    """Return whether retrying is safe, so that nothing is done twice."""
    if outcome is not None:
        return outcome == "not_sent"
    # How far a failed POST got is unknown, and POST is not idempotent (RFC 9110 section 9.2.2).
    if current_state().correlation.posted in {"sent", "unknown"}:
        return False
    return not (isinstance(error, InternalError) and request.method == "POST")


def _headers_of(error: ServiceError, outcome: Outcome | None) -> dict[str, str]:
    headers = {}
    if error.retry_after and _may_be_repeated(error, outcome):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = _REALM + (', error="invalid_token"' if error.presented else "")
    if isinstance(error, ForbiddenError):
        headers["WWW-Authenticate"] = _REALM + ', error="insufficient_scope"'
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = error.allow
    return headers


def _translate_http(error: HTTPException) -> Response:
    """Render Werkzeug's own errors: unknown path, method not allowed, and requests that it cannot parse."""
    if error.code is None or not _BAD_REQUEST <= error.code < InternalError.status:
        return _translate_unforeseen(error)
    _forget_places(error)
    if isinstance(error, MethodNotAllowed):
        return _render(MethodNotAllowedError(", ".join(sorted(error.valid_methods or ()))))
    if error.code == NotFoundError.status:
        return _render(NotFoundError())
    return _render(InvalidParamsError("The request cannot be read."))


def _translate_unforeseen(error: Exception) -> Response:
    """Render a bug as a 500."""
    _tell(error)
    _forget_places(error)
    return _render(InternalError())


def _beginning_of(error: BaseException) -> BaseException:
    """Return the error that this one was raised for."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _tell(error: BaseException) -> None:
    """Log the class and the place of a bug only: its text may hold data that must not be logged."""
    places = [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    logger.error(
        "unforeseen exception",
        extra={
            "request_id": current_state().correlation.request_id,
            "exception": type(error).__name__,
            "places": places[-8:],
        },
    )


def _add_headers(response: Response) -> Response:
    state = current_state()
    headers = response.headers
    given = {name for name, _ in headers}
    # None of these headers is set yet, and `add` skips the search for the name, most of the time of setting one.
    headers.add("X-Request-ID", state.correlation.request_id)
    headers.add("X-Content-Type-Options", "nosniff")
    for name, value in _UNLESS_GIVEN:
        if name not in given:
            headers.add(name, value)
    if state.outcome:
        headers.add("X-Send-Outcome", state.outcome)
    if state.decision:
        headers.add("X-RateLimit-Limit", str(state.decision.limit))
        headers.add("X-RateLimit-Remaining", str(state.decision.remaining))
        headers.add("X-RateLimit-Reset", str(state.decision.reset_at))
    return response
