"""Metrics and probes on METRICS_BIND, apart from the workers: started by gunicorn's master.

It is a process of its own so that probes are answered however long the workers' queue is, and so that the master,
which forks, stays without threads. It ends with the master.
"""

import io
import json
import logging
import logging.config
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from config.logs import dictionary
from config.serving import metric_files
from config.serving.patience import PATIENCE, Patient

logger = logging.getLogger("config.serving.listener")

# So many requests at once; whoever comes beyond that is hung up on.
_MOST = 256
_MASTER_WATCHED_EVERY = 0.5

Answer = tuple[int, str, bytes]


class Observer:
    """What can be told of a master's workers, from the files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.draining = False
        self._folder = folder

    def metrics(self, accepted: str) -> Answer:
        """All metrics, in the format that is `accepted`."""
        registry = CollectorRegistry()
        Gauge("draining", "1 once the master was told to stop", namespace="send_message", registry=registry).set(
            self.draining
        )
        registry.register(self)
        try:
            encode, kind = choose_encoder(accepted)
        except (ValueError, TypeError):
            # It does not look whether a version is a number: `a.b` is a ValueError.
            encode, kind = choose_encoder("")
        return HTTPStatus.OK, kind, encode(registry)

    def collect(self) -> list[Metric]:
        """What all workers have counted; a registry asks for it by this name."""
        return self._collect("")

    def live(self, _: str) -> Answer:
        """200: the listener is alive, and so is its master."""
        return _json(HTTPStatus.OK, {"status": "ok"})

    def ready(self, _: str) -> Answer:
        """Whether requests should be sent here, and why not if not."""
        total = {
            metric.name: sum(sample.value for sample in metric.samples) for metric in self._collect("gauge_live")
        }
        workers, ready = (int(total.get(f"send_message_{name}", 0)) for name in ("workers", "workers_ready"))
        reasons = ["draining"] if self.draining else []
        if not workers and self._folder.exists():
            # A worker that starts makes it anew: where it is gone, those from before still run.
            reasons.append("no worker is running")
        elif workers and not ready:
            reasons.append("no key to verify tokens with has been loaded")
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        word = "not ready" if reasons else "ready"
        return _json(status, {"status": word, "reasons": reasons, "workers": workers})

    def nothing(self, _: str) -> Answer:
        """404, for every other path."""
        return _json(HTTPStatus.NOT_FOUND, {"error": "There is nothing at this path."})

    def _collect(self, beginning: str) -> list[Metric]:
        """The metrics of all workers, of the files whose names begin so."""
        with metric_files.reading(self._folder) as files:
            wanted = [file for file in files if os.path.basename(file).startswith(beginning)]  # noqa: PTH119 - a text
            merged = MultiProcessCollector.merge(wanted)  # type: ignore[no-untyped-call]
        return list(merged)


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version, sys_version = "send-message", ""
    server: "_Server"

    def setup(self) -> None:
        """Read within limits."""
        super().setup()
        self.rfile = io.BufferedReader(Patient(self.connection))

    def do_GET(self) -> None:
        """Answer one request; the connection then closes."""
        status, kind, body = self._answer()
        self.connection.settimeout(PATIENCE)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self) -> Answer:
        answer = self.server.paths.get(self.path.partition("?")[0], self.server.otherwise)
        try:
            return answer(self.headers.get("Accept", ""))
        except Exception as error:  # noqa: BLE001 - whoever asks is told that nothing is known, the log why
            logger.error("listener cannot answer", extra={"exception": type(error).__name__})  # noqa: TRY400 - one line
            return _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The files of the workers cannot be read."})

    do_HEAD = do_GET  # noqa: N815 - http.server's

    def log_message(self, *_: object) -> None:
        """Keep quiet: the log has requests of the service."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, observer: Observer) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._free = threading.BoundedSemaphore(_MOST)
        self.otherwise = observer.nothing
        self.paths: dict[str, Callable[[str], Answer]] = {
            "/metrics": observer.metrics,
            "/health/live": observer.live,
            "/health/ready": observer.ready,
        }

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Answer in a thread of its own, if one of so few is free."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Answer, and make room for another one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """Nothing to do: whoever asked has gone."""


def serve(listening: socket.socket, folder: Path, master: int) -> None:
    """Answer until the master has ended, then remove the folder. SIGTERM says that the master drains."""
    logging.config.dictConfig(dictionary("INFO", logger.name))
    observer = Observer(folder)

    def drain(_: int, __: FrameType | None) -> None:
        observer.draining = True

    signal.signal(signal.SIGTERM, drain)
    # Ctrl-C reaches all processes of a terminal.
    signal.signal(signal.SIGINT, drain)
    # The master has it start without them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=_Server(listening, observer).serve_forever, daemon=True).start()
    while os.getppid() == master:
        time.sleep(_MASTER_WATCHED_EVERY)
    metric_files.remove(str(folder))


def _json(status: int, document: dict[str, object]) -> Answer:
    return status, "application/json", json.dumps(document).encode() + b"\n"


if __name__ == "__main__":
    _, descriptor, folder, master = sys.argv
    serve(socket.socket(fileno=int(descriptor)), Path(folder), int(master))
