"""Plain requests, nearly all there are, served without gunicorn's objects at a fifth of the cost.

They are read by the same parser as all others, gunicorn's in C. What needs more than its result is left to
gunicorn: chunks, expectations, upgrades, escapes in paths, repeated headers. Both ways give the same environment.
"""

import os
import re
from functools import cached_property
from io import BytesIO
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.message import MAX_REQUEST_LINE  # type: ignore[import-untyped]
from gunicorn.http.wsgi import base_environ  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]
from gunicorn_h1c import IncompleteError, ParseError, parse_request  # type: ignore[import-untyped]

Environ = dict[str, Any]

_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
# Targets whose path and query are used as they are: nothing to unquote, no host, no fragment.
_TARGET = re.compile(rb"(/(?:[\w.~-][\w./~-]*)?)(?:\?([\w./~%&=+:,-]*))?", re.ASCII)
_CONTENT = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
_OF_FRAMES = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE"})
_CLOSES = {"close": True, "keep-alive": False}


class Plain:
    """A request, as far as gunicorn's Response needs one."""

    version = (1, 1)

    def __init__(self, environ: Environ, *, closes: bool) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self._closes = closes

    def should_close(self) -> bool:
        """Return whether the connection closes after the response."""
        return self._closes

    def force_close(self) -> None:
        """Close the connection after the response."""
        self._closes = True


class Peer:
    """The peer of a connection, and what all requests on that connection share."""

    def __init__(self, cfg: Config, conn: TConn) -> None:
        # Not the connection itself, which refers to this object: only the garbage collector would free the cycle.
        self.cfg, self.peer_addr = cfg, conn.client
        self._sock, self._server = conn.sock, conn.server
        self._limits = {
            "limit_request_line": cfg.limit_request_line,
            "limit_request_fields": cfg.limit_request_fields,
            "limit_request_field_size": cfg.limit_request_field_size,
        }

    def plain(self, data: bytes) -> Plain | None:
        """Return the bytes as a plain request, or None if gunicorn must read them."""
        # An empty line before a request has rules of its own.
        if self._common is None or not data or data.startswith(b"\r\n"):
            return None
        try:
            head = parse_request(data, **self._limits)
        except (ParseError, IncompleteError):
            return None
        target, environ = _TARGET.fullmatch(head["path"]), self._fields(self._common.copy(), head["headers"])
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

    @cached_property
    def _common(self) -> Environ | None:
        """What all environments share; None if only gunicorn can build them."""
        if _reads_otherwise(self.cfg) or not (
            isinstance(self.peer_addr, tuple) and isinstance(self._server, tuple)
        ):
            return None
        return {
            **base_environ(self.cfg),
            "gunicorn.socket": self._sock,
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.peer_addr[0],
            "REMOTE_PORT": str(self.peer_addr[1]),
            "SERVER_NAME": self._server[0],
            "SERVER_PORT": str(self._server[1]),
            "SCRIPT_NAME": "",
        }

    def _fields(self, environ: Environ, fields: list[tuple[bytes, bytes]]) -> Environ | None:
        """Add the headers to the environment; return None if one of them needs more than that."""
        for name, value in fields:
            key = _key(name)
            # Gunicorn joins some repeated headers and rejects others; it drops most names with `_`.
            if key in environ or b"_" in name:
                return None
            environ[key] = value.decode("latin-1")
        return environ if _OF_FRAMES.isdisjoint(environ) else None


def _reads_otherwise(cfg: Config) -> bool:
    """Return whether gunicorn is configured to read requests in a way that only it knows."""
    is_set = cfg.proxy_protocol != "off" or cfg.http2_cleartext != "off" or "SCRIPT_NAME" in os.environ
    is_set = is_set or bool(cfg.secure_scheme_headers)
    return is_set or cfg.http_parser == "python" or not 0 < cfg.limit_request_line <= MAX_REQUEST_LINE


def _key(name: bytes) -> str:
    """Return a header's name in the environment (RFC 3875 section 4.1.18)."""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in _CONTENT else f"HTTP_{key}"
