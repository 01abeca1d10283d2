"""The Flask application, reduced to what the service uses of one."""

from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from app.web.watching import Watch


class _Sessionless(SessionInterface):
    """No sessions; Flask's own would look for one in each request."""

    _none = NullSession()

    def open_session(self, *_: object) -> NullSession:
        """One that nothing can be kept in."""
        return self._none


class Application(Flask):
    """Flask without what no route here uses. Its server publishes what `watch` sees, and tells it to drain."""

    watch: Watch
    session_interface = _Sessionless()

    def wsgi_app(self, environ: Any, start_response: Any) -> Any:  # noqa: ANN401 - as Flask declares it
        """Answer a request, seen from its beginning to its end."""
        self.watch.begin(environ)
        try:
            return super().wsgi_app(environ, start_response)
        finally:
            self.watch.end(environ)

    def ensure_sync(self, func: Any) -> Any:  # noqa: ANN401 - as Flask declares it
        """Return the function as it is."""
        # Flask would look at each request's view and hooks whether they are coroutines: none is.
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Find routes by path and method alone, whatever host the request claims to be for.

        An offer to upgrade is declined by ignoring it (RFC 9110 section 7.8); what Flask makes here would let
        Werkzeug answer 400, and takes 10 µs more.
        """
        if request is None:
            return super().create_url_adapter(None)
        return MapAdapter(
            self.url_map,
            server_name="",
            script_name=request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=request.query_string.decode("latin-1"),
        )
