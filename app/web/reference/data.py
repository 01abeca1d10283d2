"""The reference for programs: `/openapi.json`, `/llms.txt`, and a page of Markdown for each operation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app

from app.errors import NotFoundError
from app.web.declarations import Operation, public
from app.web.reference import document, markdown
from app.web.services import in_turn

blueprint = Blueprint("reference_data", __name__)

_KEY = "send-message.reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """What is served, made once; `pages` by the names of their files."""

    document: bytes
    index: str
    pages: dict[str, str]


def install(extensions: dict[str, Any], operations: Sequence[Operation], limit: str) -> None:
    """Make the reference of these operations; `limit` holds where they have none of their own."""
    extensions[_KEY] = Reference(
        json.dumps(document.make(operations), ensure_ascii=False).encode(),
        markdown.index(operations),
        {markdown.slug(it): markdown.page(it, it.said.limit or limit) for it in operations},
    )


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """Give the OpenAPI document of all operations; raises OverloadedError."""
    return in_turn(lambda: Response(_reference().document, mimetype="application/json"))


@blueprint.get("/llms.txt")
@public
def index() -> Response:
    """Give the index of all pages."""
    return Response(_reference().index, mimetype="text/plain")


@blueprint.get("/docs/<page>.md")
@public
def page(page: str) -> Response:
    """Give the page of one operation; raises OverloadedError."""
    text = _reference().pages.get(page)
    if text is None:
        raise NotFoundError
    return in_turn(lambda: Response(text, mimetype="text/markdown"))


def _reference() -> Reference:
    made: Reference = current_app.extensions[_KEY]
    return made
