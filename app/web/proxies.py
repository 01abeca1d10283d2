"""Client addresses behind trusted proxies."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Proxied:
    """A WSGI application behind `proxies` proxies: the client address is the one that the outermost proxy saw.

    Nothing else from the proxies is trusted. Each appends an address to X-Forwarded-For; entries further left come
    from the client. Werkzeug's ProxyFix parses the list as quoted strings (RFC 9110 section 5.6.4), so that one
    unclosed quotation mark from the client would hide the address.
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
