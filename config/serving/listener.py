"""Metrics and probes on METRICS_BIND, served beside the workers in a process that gunicorn's master starts.

It is a separate process so that probes are answered however long the workers' queue is, and so that the master,
which forks, has no threads. It ends with the master.
"""

import io
import logging
import logging.config
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from config.logs import dictionary
from config.serving import metric_files
from config.serving.deadline_reader import DeadlineReader
from config.serving.observer import JSON, Observer, Reply, encoded

logger = logging.getLogger("config.serving.listener")

# Maximum of concurrent requests; further connections are closed at once.
_MOST = 256
# For a whole request, and for each write of its response.
_CLIENT_SECONDS = 5.0
# For a whole request: http.server by itself would keep 6.5 MB of fields, and take 37 MB to parse them. A request
# line beyond half of this it refuses anyway.
_CLIENT_BYTES = 131_072
_MASTER_WATCHED_EVERY = 0.5
# The API's pattern, repeated as nothing here imports `app`.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CODES = {HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR"}


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_SECONDS
    server_version, sys_version = "send-message", ""
    # Assumed if no version can be read: with http.server's own, HTTP/0.9, no head would be sent.
    default_request_version = "HTTP/1.0"
    server: "_Server"
    # Defaults, for input that is not a request.
    path, headers = "", Message()

    def setup(self) -> None:
        """Limit the total time and size of reading."""
        super().setup()
        self.rfile = io.BufferedReader(DeadlineReader(self.connection, _CLIENT_SECONDS, _CLIENT_BYTES))

    def do_GET(self) -> None:
        """Respond to one request; the connection then closes."""
        observe = self.server.paths.get(self._place())
        if observe is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing at this path.")
            return
        try:
            reply = observe(self.headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001 - the caller gets a 500, the log the reason
            logger.error("listener cannot answer", extra={"exception": type(error).__name__})  # noqa: TRY400 - one line
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "The files of the workers cannot be read.")
        else:
            self._give(reply, self._request_id())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - http.server's
        """Reject what http.server rejects, unknown methods too, without its message, which quotes the request."""
        status = HTTPStatus(code)
        if status is not HTTPStatus.NOT_IMPLEMENTED:
            self._refuse(status, f"{status.phrase}.")
        elif self._place() in self.server.paths:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "This path takes GET and HEAD.", Allow="GET, HEAD")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing at this path.")

    def _refuse(self, status: HTTPStatus, sentence: str, **headers: str) -> None:
        """Send the API's error object."""
        request_id = self._request_id()
        document: dict[str, object] = {
            "error": sentence,
            "code": _CODES.get(status, status.name),
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "path": self._place(),
            "request_id": request_id,
        }
        self._give((status, JSON, encoded(document)), request_id, **headers)

    def _give(self, reply: Reply, request_id: str, **headers: str) -> None:
        status, kind, body = reply
        self.connection.settimeout(_CLIENT_SECONDS)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Request-ID", request_id)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _place(self) -> str:
        return self.path.partition("?")[0]

    def _request_id(self) -> str:
        """Return the caller's request ID if it is valid, else a new one."""
        given = self.headers.get("X-Request-ID", "")
        return given if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()

    do_HEAD = do_GET  # noqa: N815 - http.server's

    def log_message(self, *_: object) -> None:
        """Log nothing: the log is for requests to the service."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Of `handle_request`, in seconds.
    timeout = _MASTER_WATCHED_EVERY

    def __init__(self, listening: socket.socket, observer: Observer, most: int = _MOST) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._free = threading.BoundedSemaphore(most)
        self.paths: dict[str, Callable[[str], Reply]] = {
            "/metrics": observer.metrics,
            "/health/live": observer.live,
            "/health/ready": observer.ready,
        }

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Serve the request in a thread of its own, or hang up if too many are running.

        If no thread can start, because the workers have all that the system allows, serve it here: a container
        that answers no probe is killed, with its sends.
        """
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            self.process_request_thread(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Serve the request, then free its slot."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """Ignore the error: the client has gone."""


def serve(listening: socket.socket, folder: Path, master: int) -> None:
    """Serve until the master has ended, then remove the folder. SIGTERM means that the master drains."""
    logging.config.dictConfig(dictionary("INFO", logger.name))
    observer = Observer(folder)

    def drain(_: int, __: FrameType | None) -> None:
        observer.draining = True

    signal.signal(signal.SIGTERM, drain)
    # Ctrl-C reaches all processes of a terminal.
    signal.signal(signal.SIGINT, drain)
    # The master blocks them, and its other signals, while it starts this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    server = _Server(listening, observer)
    while os.getppid() == master:
        server.handle_request()
    metric_files.remove(str(folder))


if __name__ == "__main__":
    _, descriptor, folder, master = sys.argv
    serve(socket.socket(fileno=int(descriptor)), Path(folder), int(master))
