"""The reference page: Swagger UI's own files, served from here, so that it works without any other network."""

from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from app.errors import NotFoundError
from app.web.declarations import public
from app.web.services import services

blueprint = Blueprint("reference_pages", __name__)

_OURS = Path(__file__).with_name("static")
_SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"
_SMALL = {"reference.css", "reference.js"}
# More than a connection takes at once: a client that does not read one of them holds up a thread.
_LARGE = {"swagger-ui.css", "swagger-ui-bundle.js"}
# Swagger UI has its icons as data: images in its style sheet; it needs no inline script or style.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@blueprint.get("/docs")
@public
def reference_page() -> Response:
    """Show what `/openapi.json` says, and let it be tried."""
    page = (_OURS / "reference.html").read_bytes()
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/docs/assets/<name>")
@public
def reference_asset(name: str) -> Response:
    """Give a file that the page needs, and no other; browsers ask whether theirs is still current (ETag).

    Few of the large ones may be on their way at a time; for others this raises OverloadedError.
    """
    if name in _SMALL:
        return send_from_directory(_OURS, name)
    if name not in _LARGE:
        raise NotFoundError
    with ExitStack() as reading:
        reading.enter_context(services().readers)
        response = send_from_directory(_SWAGGER_UI, name)
        # In one piece there is one time limit for all of it.
        response.direct_passthrough = False
        response.set_data(response.get_data())
        response.call_on_close(reading.pop_all().close)
        return response
