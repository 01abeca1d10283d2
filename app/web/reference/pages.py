"""The reference page: Swagger UI's own files, served from here, so that it works without any other network."""

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory

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
# A date that Werkzeug cannot read ends in an OverflowError, a range in an error that no page needs.
_NOT_ASKED = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_RANGE", "HTTP_RANGE")


@blueprint.get("/docs")
@public
def reference_page() -> Response:
    """Show what `/openapi.json` says, and let it be tried."""
    page = (_OURS / "reference.html").read_bytes()
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/docs/assets/<name>")
@public
def reference_asset(name: str) -> Response:
    """Give a file that the page needs, whole, and no other; browsers ask whether theirs is still current (ETag).

    Raises OverloadedError where too many of the large ones are on their way.
    """
    for field in _NOT_ASKED:
        request.environ.pop(field, None)
    if name in _SMALL:
        return send_from_directory(_OURS, name)
    if name not in _LARGE:
        raise NotFoundError
    return in_turn(lambda: _in_one_piece(send_from_directory(_SWAGGER_UI, name)))


def _in_one_piece(response: Response) -> Response:
    """There is one time limit for all of it then."""
    response.direct_passthrough = False
    response.set_data(response.get_data())
    return response
