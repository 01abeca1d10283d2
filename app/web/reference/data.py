"""The reference for programs: `/openapi.json`, `/llms.txt`, and a Markdown page for each operation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app

from app.errors import NotFoundError
from app.web.declarations import Operation, public
from app.web.reference import document, markdown

blueprint = Blueprint("reference_data", __name__)

_KEY = "send-message.reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """The served documents, created once; `pages` maps file names without `.md` to their text."""

    document: bytes
    index: str
    pages: dict[str, str]


def install(extensions: dict[str, Any], operations: Sequence[Operation], limit: str) -> None:
    """Create the reference of these operations; `limit` applies to those without a limit of their own."""
    extensions[_KEY] = Reference(
        json.dumps(document.make(operations), ensure_ascii=False).encode(),
        markdown.index(operations),
        {markdown.slug(it): markdown.page(it, it.declaration.limit or limit) for it in operations},
    )


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """Serve the OpenAPI document of all operations."""
    return Response(_reference().document, mimetype="application/json")


@blueprint.get("/llms.txt")
@public
def index() -> Response:
    """Serve the index of all pages."""
    return Response(_reference().index, mimetype="text/plain")


@blueprint.get("/docs/<page>.md")
@public
def page(page: str) -> Response:
    """Serve the page of one operation; raises NotFoundError."""
    text = _reference().pages.get(page)
    if text is None:
        raise NotFoundError
    return Response(text, mimetype="text/markdown")


def _reference() -> Reference:
    made: Reference = current_app.extensions[_KEY]
    return made
