"""What the worker takes for granted of gunicorn; a release that changes it needs a look at config/."""

import inspect
import itertools
import re

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.parser import Parser  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.http.wsgi import Response, create  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from config.serving.worker import DeadlineWorker

OVERRIDDEN = {
    "get_thread_pool": "(self)",
    "run": "(self)",
    "wait_for_and_dispatch_events": "(self, timeout)",
    "init_signals": "(self)",
    "load_wsgi": "(self)",
    "handle_exit": "(self, sig, frame)",
    "handle_quit": "(self, sig, frame)",
    "is_parent_alive": "(self)",
    "set_accept_enabled": "(self, enabled)",
    "accept": "(self, listener)",
    "enqueue_req": "(self, conn)",
    "handle": "(self, conn)",
    "handle_request": "(self, req, conn)",
    "handle_error": "(self, req, client, addr, exc)",
    "murder_pending": "(self)",
    "_cap_keepalive": "(self, deadline)",
}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_it_overrides_is_there(name: str) -> None:
    """Each method exists in gunicorn with the arguments that the worker gives and takes."""
    assert str(inspect.signature(getattr(ThreadWorker, name))) == OVERRIDDEN[name]
    parameters = inspect.signature(getattr(DeadlineWorker, name)).parameters
    assert OVERRIDDEN[name] == f"({', '.join(parameters)})"


def test_it_overrides_nothing_else() -> None:
    """All that it shares with gunicorn is named above."""
    classes = DeadlineWorker.mro()[: DeadlineWorker.mro().index(ThreadWorker)]
    members = [member for each in classes for member in vars(each).items()]
    ours = {name for name, value in members if inspect.isfunction(value)}
    shared = {name for name in ours if hasattr(ThreadWorker, name)}
    assert shared - {"__init__"} == set(OVERRIDDEN)


def test_threads_are_given_in_one_place() -> None:
    """Every connection goes through `enqueue_req` before it gets a thread; a pool need do no more than this."""
    source = inspect.getsource(ThreadWorker)
    assert len(re.findall(r"\bsubmit\(", source)) == 1
    assert "submit(" in inspect.getsource(ThreadWorker.enqueue_req)
    assert set(re.findall(r"self\.tpool\.(\w+)", source)) == {"submit", "shutdown"}
    assert "finish_request" in inspect.getsource(ThreadWorker.enqueue_req)


def test_the_loop_counts_connections_and_looks_for_late_ones() -> None:
    """It ends when none is left; nothing else than the poller of `run` is asked who is readable."""
    source = inspect.getsource(ThreadWorker.run)
    assert "while self.nr_conns > 0" in source
    assert "murder_pending()" in source
    assert "_cap_keepalive(" in source
    assert set(re.findall(r"self\.poller\.(\w+)", source)) == {"register", "close"}
    assert set(re.findall(r"self\.poller\.(\w+)", inspect.getsource(ThreadWorker.set_accept_enabled))) == {
        "register",
        "unregister",
    }


def test_the_loop_shows_that_it_is_alive() -> None:
    """With each turn, also while it stops: there `Publisher` publishes the application's state."""
    assert inspect.getsource(ThreadWorker.run).count("self.notify()") == 2


def test_a_connection_reads_with_the_parser_that_it_has() -> None:
    """The worker gives it one that reads what came, and it is ready without a look at the socket."""
    assert "if self.parser is None" in inspect.getsource(TConn.init)
    assert "setblocking(False)" in inspect.getsource(TConn.__init__)
    assert "not conn.data_ready" in inspect.getsource(ThreadWorker.handle)


def test_settings_are_found_where_the_worker_puts_them() -> None:
    """In the configuration itself, before they are looked up; what is computed from them is so still."""
    cfg = Config()
    vars(cfg).update((name, setting.get()) for name, setting in cfg.settings.items())
    cfg.settings.clear()
    assert (cfg.keepalive, cfg.limit_request_line) == (2, 4094)
    assert "keepalive" in vars(cfg)


def test_a_parser_reads_from_whatever_receives() -> None:
    """In pieces of any size; what it read too much can be taken back."""

    class Source:
        def __init__(self) -> None:
            self.pieces = itertools.chain([b"x" * 100_000], itertools.repeat(b""))

        def recv(self, _: int) -> bytes:
            return next(self.pieces)

    unreader = SocketUnreader(Source())
    assert unreader.read(1) == b"x"
    assert unreader.take_buffered() == b"x" * 99_999
    unreader.unread(b"y")
    assert unreader.buf.getvalue() == b"y"
    assert "finish_body" in vars(Parser)
    assert list(inspect.signature(get_parser).parameters)[:3] == ["cfg", "source", "source_addr"]


def test_what_is_asked_of_a_parser() -> None:
    """Only what `Reader` has; and nothing is done to an answer that `OnePacketResponse` leaves out."""
    source = inspect.getsource(ThreadWorker.handle) + inspect.getsource(ThreadWorker._keepalive_after)
    assert set(re.findall(r"conn\.parser(\.\w+)?", source)) == {"", ".finish_body"}
    parameters = list(inspect.signature(create).parameters)
    assert parameters[:6] == ["req", "sock", "client", "server", "cfg", "response_class"]
    assert set(re.findall(r"self\.(\w+)\(", inspect.getsource(Response.write))) == {"send_headers", "_emit_body"}
