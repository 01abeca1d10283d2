"""A worker in this thread, and a connection to it."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.serving.connection import Connection
from config.serving.poller import Poller
from config.serving.worker import DeadlineWorker


class _Here:
    """Threads that are this one."""

    def __init__(self, do: Callable[[Connection], object]) -> None:
        self.submit = do


@dataclass
class Served:
    """A worker that does all it has to when asked to, and its client."""

    worker: DeadlineWorker
    client: socket.socket
    accepted: socket.socket

    def accept(self) -> Connection:
        """Have it take the client's connection in; the result is all that is held of it here."""
        conn = Connection(self.worker.cfg, self.accepted, ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.worker.nr_conns += 1
        self.worker.enqueue_req(conn)
        return conn

    def serve(self) -> None:
        """Have it do what there is to do."""
        self.worker.poller.dispatch(60)


@contextmanager
def served() -> Iterator[Served]:
    """A worker with an application that answers `{}`."""

    def application(_: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]

    cfg = Config()
    cfg.set("secure_scheme_headers", {})
    worker = DeadlineWorker(0, os.getpid(), [], None, 30, cfg, Logger(cfg))
    worker.wsgi, worker.tpool, worker.poller = application, _Here(worker._serve), Poller(worker._on_readable)
    worker.method_queue.init()
    client, accepted = socket.socketpair()
    with client, accepted, closing(worker.poller), closing(worker.method_queue), worker.tmp._tmp:
        yield Served(worker, client, accepted)
