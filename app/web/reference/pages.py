"""The reference page: Swagger UI, served from here so that the page loads nothing from elsewhere."""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response

from app.errors import NotFoundError
from app.web.declarations import public
from app.web.services import in_turn

blueprint = Blueprint("reference_pages", __name__)

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
        return in_turn(lambda: _whole(_SWAGGER_UI / name))
    raise NotFoundError


def _whole(file: Path) -> Response:
    data = file.read_bytes()
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    return Response(pieces, mimetype=_KINDS[file.suffix])
