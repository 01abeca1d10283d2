"""The reference, served: `/openapi.json`, `/llms.txt`, a Markdown page for each operation, and the page `/docs`.

The page is Swagger UI, from here, so that it loads nothing from elsewhere.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app

from app.errors import NotFoundError
from app.web.declarations import Operation, public
from app.web.reference import document, markdown
from app.web.services import services

blueprint = Blueprint("reference", __name__)

_KEY = "send-message.reference"
_OURS = Path(__file__).with_name("static")
_SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"
_SMALL = {"reference.css", "reference.js"}
_LARGE = {"swagger-ui.css", "swagger-ui-bundle.js"}
# Swagger UI's style sheet has its icons as data: images; it needs no inline script or style.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A client has 5 s for each piece: 20 s for the four of the largest file, less than a stopping worker waits.
_PIECE = 524_288
_KINDS = {".css": "text/css", ".js": "text/javascript"}


def install(extensions: dict[str, Any], operations: Sequence[Operation], limit: str) -> None:
    """Create the documents of these operations; `limit` applies to those without a limit of their own."""
    extensions[_KEY] = {
        "openapi.json": json.dumps(document.make(operations), ensure_ascii=False),
        "llms.txt": markdown.index(operations),
        **{f"{markdown.slug(it)}.md": markdown.page(it, it.declaration.limit or limit) for it in operations},
    }


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """Serve the OpenAPI document of all operations."""
    return _made("openapi.json", "application/json")


@blueprint.get("/llms.txt")
@public
def index() -> Response:
    """Serve the index of all pages."""
    return _made("llms.txt", "text/plain")


@blueprint.get("/docs/<page>.md")
@public
def page(page: str) -> Response:
    """Serve the page of one operation; raises NotFoundError."""
    return _made(f"{page}.md", "text/markdown")


@blueprint.get("/docs")
@public
def reference_page() -> Response:
    """Serve the page that shows `/openapi.json` and lets readers try its operations."""
    page = (_OURS / "reference.html").read_bytes()
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/docs/assets/<name>")
@public
def reference_asset(name: str) -> Response:
    """Serve a file of the page, always whole.

    Raises NotFoundError for other files, OverloadedError when too many large files are being sent.
    """
    if name in _SMALL:
        return _whole(_OURS / name)
    if name in _LARGE:
        return _in_turn(_SWAGGER_UI / name)
    raise NotFoundError


def _in_turn(file: Path) -> Response:
    """Return a large file, holding one of the few `readers` slots until it is read.

    It exceeds the connection's buffer, and blocks a thread for as long as its client may take.
    """
    with ExitStack() as reading:
        reading.enter_context(services().readers)
        response = _whole(file)
        response.call_on_close(reading.pop_all().close)
    return response


def _whole(file: Path) -> Response:
    data = file.read_bytes()
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    return Response(pieces, mimetype=_KINDS[file.suffix])


def _made(name: str, kind: str) -> Response:
    text = current_app.extensions[_KEY].get(name)
    if text is None:
        raise NotFoundError
    return Response(text, mimetype=kind)
