"""Version, liveness and readiness: no token, no rate limit, no call to an upstream service."""

from typing import Any

from flask import Blueprint, Response

from app.version import VERSION
from app.web.declarations import public
from app.web.rendering import json_response
from app.web.services import services

blueprint = Blueprint("health", __name__)

_UNAVAILABLE = 503
NO_KEY = "no key to verify tokens with has been loaded"
DRAINING = "draining"


@blueprint.get("/v1")
@public
def version() -> Response:
    """Return the version of the service."""
    return json_response({"message": f"SalesCaptain API [Service version - {VERSION}]"})


@blueprint.get("/health/live")
@public
def live() -> Response:
    """Answer 200 as long as the process can answer at all."""
    return json_response({"status": "ok"})


@blueprint.get("/health/ready")
@public
def ready() -> Response:
    """Return whether requests should be routed to this process, and if not, why."""
    keys = services().tokens.keys
    reasons = [] if keys.ready else [NO_KEY]
    if services().monitor.draining:
        reasons.append(DRAINING)
    document: dict[str, Any] = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    if keys.stale:
        document["keys_age_seconds"] = keys.age_seconds
    return json_response(document, _UNAVAILABLE if reasons else 200)
