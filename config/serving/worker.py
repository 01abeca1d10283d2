"""The worker: a gunicorn worker whose threads wait for no client, that says how it is and ends in order."""

import contextlib
import re
import socket
from http import HTTPStatus
from signal import SIG_UNBLOCK, SIGTERM, pthread_sigmask
from time import monotonic
from types import FrameType
from typing import Any, Protocol

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
from config.serving.answer import Answer, GoneError
from config.serving.client import Client
from config.serving.intake import IntakeWorker
from config.serving.master import STOPS
from config.serving.plain import Environ, Plain

# What the parser refuses is 400, or one of these.
_REFUSALS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
# `close` may be one of several options (RFC 9112 section 9.6); gunicorn compares the whole field.
_CLOSES = re.compile(r"(?:^|,)[ \t]*close[ \t]*(?:,|$)", re.IGNORECASE)
# Kinds of ParseException that the parser never raises: faults of ours.
_OURS = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
_REFUSAL = b"HTTP/1.1 %d %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Watch(Protocol):
    """What an application sees of itself."""

    def publish(self) -> None:
        """Tell how things stand; called about once a second."""

    def drain(self) -> None:
        """Say that no more requests should come."""


class DeadlineWorker(IntakeWorker):
    """Takes 5 s for a request's head and 10 s for its body, in total, however they are spread.

    After that a head is dropped, and a body ends where it is: the application answers it as one that was cut off.
    So is a body of more than `largest_body` bytes, which the application must refuse. Either ends the connection.
    """

    watch: Watch | None = None
    # Gunicorn's: whether it takes in more requests.
    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - gunicorn's own
        super().__init__(*args, **kwargs)
        self._next_publication = 0.0

    def init_signals(self) -> None:
        """Listen for signals; those to stop have waited since the fork."""
        super().init_signals()
        pthread_sigmask(SIG_UNBLOCK, STOPS)

    def load_wsgi(self) -> None:
        """Load the application; where metrics were removed this moment, end, and let the next worker do it."""
        try:
            super().load_wsgi()
        except FileNotFoundError:
            if metric_files.are_gone():
                raise SystemExit(1) from None
            raise

    def notify(self) -> None:
        """Show the master that the worker is alive, and everybody how things stand in it, once a second."""
        now = monotonic()
        if now < self._next_publication:
            return
        self._next_publication = now + 1.0
        super().notify()
        if self.watch is not None:
            self.watch.publish()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        self.is_told_to_stop = True
        if self.watch is not None:
            self.watch.drain()
        super().handle_exit(sig, frame)

    def is_parent_alive(self) -> bool:
        """Whether the master runs; without it the worker drains as on SIGTERM, and lets go of the address."""
        if super().is_parent_alive():
            return True
        self.handle_exit(SIGTERM, None)
        return False

    def handle(self, conn: Client) -> bool:
        """Answer a request, in a thread, unless earlier answers are not taken; whether another one may follow."""
        if not conn.takes_answers():
            return False
        if conn.arrival.is_too_long:
            self.handle_error(None, conn.sock, conn.client, LimitRequestHeaders("head"))
            return False
        return super().handle(conn) and not conn.arrival.is_cut

    def handle_request(self, req: Request | Plain, conn: Client) -> bool:
        """Have the application answer; whether the connection is kept."""
        self._count_request()
        if conn.arrival.is_cut or not self._keeps_connections():
            req.force_close()
        answer, environ = self._opened(req, conn)
        try:
            self._answer(environ, answer)
        except GoneError:
            return False
        except Exception:
            # Another answer may not follow the beginning of this one.
            if not answer.headers_sent:
                raise
            self.log.exception("answer broken off")
            return False
        conn.untaken += answer.size
        return answer.may_be_followed()

    def handle_error(
        self,
        req: Request | Plain | None,  # noqa: ARG002 - gunicorn's
        client: socket.socket,
        addr: object,  # noqa: ARG002 - as above
        exc: Exception,
    ) -> None:
        """Refuse what the parser refuses, and repeat nothing of it, here or in the log: it may hold a token."""
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
        # Gunicorn keeps as many places for those that come as there are threads.
        return bool(self.alive and self.cfg.keepalive and len(self.poller) < self.max_keepalived)

    def _opened(self, req: Request | Plain, conn: Client) -> tuple[Answer, Environ]:
        if isinstance(req, Plain):
            return Answer(req, conn.sock, self.cfg), req.environ
        # All of the request is here (RFC 9110 section 10.1.1). Gunicorn would wait here until the client takes a
        # 100 Continue.
        req._expected_100_continue = False  # noqa: SLF001 - gunicorn has no other way
        answer, environ = create(req, conn.sock, conn.client, conn.server, self.cfg, Answer)
        if environ.get("HTTP_TRANSFER_ENCODING", "chunked").lower() != "chunked":
            # Gunicorn would hand on a body that is coded in more ways as if it were not.
            raise UnsupportedTransferCoding(environ["HTTP_TRANSFER_ENCODING"])
        if _CLOSES.search(environ.get("HTTP_CONNECTION", "")):
            req.force_close()
        return answer, {**environ, "wsgi.multithread": True}

    def _answer(self, environ: Environ, answer: Answer) -> None:
        pieces = self.wsgi(environ, answer.start_response)
        try:
            for piece in pieces:
                answer.write(piece)
            answer.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
