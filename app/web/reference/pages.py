"""The reference page: Swagger UI's own files, served from here, so that it works without any other network."""

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
# Swagger UI has its icons as data: images in its style sheet; it needs no inline script or style.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KINDS = {".css": "text/css", ".js": "text/javascript"}


@blueprint.get("/docs")
@public
def reference_page() -> Response:
    """Show what `/openapi.json` says, and let it be tried."""
    page = (_OURS / "reference.html").read_bytes()
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/docs/assets/<name>")
@public
def reference_asset(name: str) -> Response:
    """Give a file that the page needs, whole, and no other.

    Raises OverloadedError where too many of the large ones are on their way.
    """
    if name in _SMALL:
        return _whole(_OURS / name)
    if name in _LARGE:
        return in_turn(lambda: _whole(_SWAGGER_UI / name))
    raise NotFoundError


def _whole(file: Path) -> Response:
    return Response(file.read_bytes(), mimetype=_KINDS[file.suffix])
