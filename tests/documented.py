"""Answers held to the OpenAPI document of the service that gives them."""

import json
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.test import TestResponse

PUBLISHED = "https://api.salescaptain.com"

# Reading a document takes longer than most tests, and nearly all applications have the same.
_read = cache(lambda document: OpenAPI.from_dict(json.loads(document)))


def hold(document: bytes, method: str, path: str, answer: MockResponse) -> None:
    """Raise AssertionError for an answer that the document does not have; what is not documented passes."""
    try:
        _read(document).validate_response(MockRequest(PUBLISHED, method, path), answer)
    except PathError:
        return
    except OpenAPIError as error:
        why = getattr(error.__cause__, "schema_errors", error)
        raise AssertionError(f"{method} {path} → {answer.status_code} {answer.data!r}: {why}") from error


class CheckedClient(FlaskClient):
    """A client that holds every answer to the application's own document."""

    _document: bytes | None = None

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Make a request and check what comes."""
        answer = super().open(*args, **kwargs)
        if self._document is None:
            self._document = super().open("/openapi.json").data
        told = MockResponse(answer.data, answer.status_code, dict(answer.headers), answer.content_type or "")
        hold(self._document, answer.request.method, answer.request.path, told)
        return answer
