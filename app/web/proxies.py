"""Proxies in front of the service, and what is believed of what they say."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Proxied:
    """A WSGI application behind so many proxies: its callers' address is what the first of them has seen.

    Nothing else that they say is believed. Each adds an address to the right of X-Forwarded-For, and what stands
    further left is the caller's own. Werkzeug's ProxyFix takes the list for quoted text (RFC 9110 section 5.6.4),
    of which one open quotation mark of the caller's makes nothing.
    """

    def __init__(self, application: WSGIApplication, proxies: int) -> None:
        self._application = application
        self._proxies = proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        seen = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")[-self._proxies :]
        if len(seen) == self._proxies and seen[0].strip():
            environ["REMOTE_ADDR"] = seen[0].strip()
        return self._application(environ, start_response)
