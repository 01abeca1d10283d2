"""The gunicorn worker: no thread waits for a request, and it drains before it ends."""

import contextlib
import re
import socket
from http import HTTPStatus
from signal import SIG_IGN, SIGHUP, SIGTERM, SIGUSR2, signal
from types import FrameType

from gunicorn.http import Request  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ConfigurationProblem,
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.wsgi import create  # type: ignore[import-untyped]

from config.serving import metric_files
from config.serving.connection import Connection
from config.serving.intake import IntakeWorker
from config.serving.plain import Environ, Plain
from config.serving.publisher import Monitor
from config.serving.response import GoneError, OnePacketResponse

# Statuses of what the parser rejects; 400 for anything else.
_REFUSALS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
# `close` may be one of several options (RFC 9112 section 9.6); gunicorn compares the whole value.
_CLOSES = re.compile(r"(?:^|,)[ \t]*close[ \t]*(?:,|$)", re.IGNORECASE)
# Kinds of ParseException that the parser never raises: they are our own faults.
_OURS = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
_REFUSAL = b"HTTP/1.1 %d %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class DeadlineWorker(IntakeWorker):
    """Allows 5 s for a request's head and 10 s for its body, in total, however the bytes are spread.

    After that a head is dropped, and a body is cut where it is; the application responds to it as truncated. A
    body of more than `largest_body` bytes is cut too; the application must reject it. All close the connection.
    """

    monitor: Monitor | None = None
    # Gunicorn's: False once the worker is stopping.
    alive: bool

    def init_signals(self) -> None:
        """Ignore SIGHUP and SIGUSR2, which are for the master: sent to all processes, they would cut sends off."""
        super().init_signals()
        for number in (SIGHUP, SIGUSR2):
            signal(number, SIG_IGN)

    def load_wsgi(self) -> None:
        """Load the application; if the metrics were removed just now, exit and leave it to the next worker."""
        try:
            super().load_wsgi()
        except FileNotFoundError:
            if metric_files.are_gone():
                raise SystemExit(1) from None
            raise

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain."""
        self.is_told_to_stop = True
        if self.monitor is not None:
            self.monitor.drain()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Exit when the requests that have a thread are answered; close the listening sockets now.

        Gunicorn would keep them until then: connections would wait for nobody, and be reset.
        """
        for listener in self.sockets:
            listener.close()
        super().handle_quit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Return whether the master runs; without it, drain as on SIGTERM, and close the listening sockets."""
        if super().is_parent_alive():
            return True
        self.handle_exit(SIGTERM, None)
        return False

    def handle(self, conn: Connection) -> bool:
        """Serve a request, in a thread, unless earlier responses go unread; return whether another may follow."""
        if not conn.takes_answers():
            return False
        if conn.arrival.is_too_long:
            self.handle_error(None, conn.sock, conn.client, LimitRequestHeaders("head"))
            return False
        return super().handle(conn) and not conn.arrival.is_cut

    def handle_request(self, req: Request | Plain, conn: Connection) -> bool:
        """Have the application respond; return whether the connection is kept."""
        self._count_request()
        if conn.arrival.is_cut or not self._keeps_connections():
            req.force_close()
        response, environ = self._prepare(req, conn)
        try:
            self._respond(environ, response)
        except GoneError:
            return False
        except Exception:
            # No other response may follow the beginning of this one.
            if not response.headers_sent:
                raise
            self.log.exception("answer broken off")
            return False
        conn.untaken += response.size
        return response.may_be_followed()

    def handle_error(
        self,
        req: Request | Plain | None,  # noqa: ARG002 - gunicorn's
        client: socket.socket,
        addr: object,  # noqa: ARG002 - as above
        exc: Exception,
    ) -> None:
        """Reject what the parser rejects; neither response nor log quotes it, as it may contain a token."""
        is_ours = not isinstance(exc, ParseException) or isinstance(exc, _OURS)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if is_ours else _REFUSALS.get(type(exc), HTTPStatus.BAD_REQUEST)
        told = {"status": status.value, "reason": type(exc).__name__}
        self.log.log("error" if is_ours else "info", "no request", extra=told)
        client.setblocking(False)
        with contextlib.suppress(OSError):
            client.send(_REFUSAL % (status.value, status.phrase.encode()))

    def _count_request(self) -> None:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False

    def _keeps_connections(self) -> bool:
        # As in gunicorn, as many connections as there are threads are reserved for new ones.
        return bool(self.alive and self.cfg.keepalive and len(self.poller) < self.max_keepalived)

    def _prepare(self, req: Request | Plain, conn: Connection) -> tuple[OnePacketResponse, Environ]:
        if isinstance(req, Plain):
            return OnePacketResponse(req, conn.sock, self.cfg), req.environ
        # The whole request has arrived (RFC 9110 section 10.1.1). Gunicorn would wait here until the client takes
        # a 100 Continue.
        req._expected_100_continue = False  # noqa: SLF001 - gunicorn has no other way
        response, environ = create(req, conn.sock, conn.client, conn.server, self.cfg, OnePacketResponse)
        if environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower() != "chunked":
            # Gunicorn would pass on a body with further codings as if it had none.
            raise UnsupportedTransferCoding(environ["HTTP_TRANSFER_ENCODING"])
        if _CLOSES.search(environ.get("HTTP_CONNECTION", "")):
            req.force_close()
        return response, {**environ, "wsgi.multithread": True}

    def _respond(self, environ: Environ, response: OnePacketResponse) -> None:
        pieces = self.wsgi(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
