"""Plain requests, as nearly all are: given to the application without gunicorn's objects, for a fifth of the cost.

They are read by the parser that reads all others, gunicorn's in C. What takes more than a look at what it found
goes gunicorn's way: chunks, expectations, upgrades, escapes in paths, fields that come twice. Both make the
same of a request.
"""

import os
import re
from io import BytesIO
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.message import MAX_REQUEST_LINE, HeaderPolicy  # type: ignore[import-untyped]
from gunicorn.http.wsgi import base_environ  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]
from gunicorn_h1c import IncompleteError, ParseError, parse_request  # type: ignore[import-untyped]

Environ = dict[str, Any]

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
# Of these a path and a query are what they look like: nothing to unquote, no host, no fragment.
_TARGET = re.compile(rb"(/(?:[\w.~-][\w./~-]*)?)(?:\?([\w./~%&=+:,-]*))?", re.ASCII)
_CONTENT = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
_OF_FRAMES = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE"})
_CLOSES = {"close": True, "keep-alive": False}


class Plain:
    """A request, as far as gunicorn's answer asks for one."""

    version = (1, 1)

    def __init__(self, environ: Environ, *, closes: bool) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self._closes = closes

    def should_close(self) -> bool:
        """Whether the connection ends with the answer."""
        return self._closes

    def force_close(self) -> None:
        """Let it end so."""
        self._closes = True


class Peer(HeaderPolicy):  # type: ignore[misc] # gunicorn has no types
    """Who is at the other end of a connection, and what is the same for all requests that come from there."""

    def __init__(self, cfg: Config, conn: TConn) -> None:
        self.cfg, self.peer_addr = cfg, conn.client
        self._limits = {
            "limit_request_line": cfg.limit_request_line,
            "limit_request_fields": cfg.limit_request_fields,
            "limit_request_field_size": cfg.limit_request_field_size,
        }
        schemes, _ = self._peer_trusted_for_forwarded()
        self._schemes = {_key(name.encode()): value for name, value in schemes.items()}
        self._common = {**base_environ(cfg), **_addresses(conn), "gunicorn.socket": conn.sock, "SCRIPT_NAME": ""}
        self._common |= {"wsgi.multithread": True, "wsgi.url_scheme": "http", "SERVER_PROTOCOL": "HTTP/1.1"}
        self._is_odd = _reads_otherwise(cfg) or "SERVER_NAME" not in self._common

    def plain(self, data: bytes) -> Plain | None:
        """The request that these bytes are; None where it is for gunicorn to say what they are."""
        # An empty line before a request has rules of its own.
        if self._is_odd or not data or data.startswith(b"\r\n"):
            return None
        try:
            head = parse_request(data, **self._limits)
        except (ParseError, IncompleteError):
            return None
        target, environ = _TARGET.fullmatch(head["path"]), self._fields(head["headers"])
        if target is None or environ is None or head["method"] not in _METHODS or head["minor_version"] != 1:
            return None
        body = data[head["consumed"] :]
        closes = _CLOSES.get(environ.get("HTTP_CONNECTION", "keep-alive").lower())
        if closes is None or environ.get("CONTENT_LENGTH", "0") != str(len(body)):
            return None
        path, query = target.groups(b"")
        environ["REQUEST_METHOD"] = head["method"].decode()
        environ["RAW_URI"] = head["path"].decode()
        environ["PATH_INFO"] = path.decode()
        environ["QUERY_STRING"] = query.decode()
        environ["wsgi.input"] = BytesIO(body)
        return Plain(environ, closes=closes)

    def _fields(self, fields: list[tuple[bytes, bytes]]) -> Environ | None:
        """The environment with these; None if one of them takes more than to be passed on."""
        environ = self._common.copy()
        for name, value in fields:
            key = _key(name)
            # Gunicorn joins some fields that come twice, refuses others, and most names with `_`.
            if key in environ or b"_" in name:
                return None
            environ[key] = value.decode("latin-1")
        told = {environ[key] == value for key, value in self._schemes.items() if key in environ}
        if len(told) > 1 or not _OF_FRAMES.isdisjoint(environ):
            return None
        if True in told:
            environ["wsgi.url_scheme"] = "https"
        return environ


def _reads_otherwise(cfg: Config) -> bool:
    """Whether gunicorn was told to read requests in a way that only gunicorn knows."""
    is_set = cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off" or "SCRIPT_NAME" in os.environ
    return is_set or cfg.http_parser == "python" or not 0 < cfg.limit_request_line <= MAX_REQUEST_LINE


def _key(name: bytes) -> str:
    """What a field is called in an environment (RFC 3875, 4.1.18)."""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in _CONTENT else f"HTTP_{key}"


def _addresses(conn: TConn) -> Environ:
    """Both ends; none of a Unix socket, where each request names the server (Host)."""
    if not (isinstance(conn.client, tuple) and isinstance(conn.server, tuple)):
        return {}
    (client, client_port), (server, server_port) = conn.client[:2], conn.server[:2]
    return {
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "SERVER_NAME": server,
        "SERVER_PORT": str(server_port),
    }
