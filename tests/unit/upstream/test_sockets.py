"""Finding the peer: names, addresses, and the time that all of them have together."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest.mock import Mock

import pytest

from app.upstream.sockets import refuse_itself
from app.upstream.transport import NothingSentError, Transport, prepare
from tests.unit.upstream.peers import OK, Peer, answering, at

Serve = Callable[..., Peer]
LookedUp = Callable[[Callable[..., Any]], None]
TOTAL = 0.4


def get(transport: Transport, url: str, **options: Any) -> bytes:  # send's
    return transport.send(prepare("GET", url, {}), **{"timeout": 5, **options}).content


def test_names_are_looked_up(serve: Serve, transport: Transport) -> None:
    """By the system's resolver, which here knows `localhost`."""
    assert get(transport, f"http://localhost:{serve(answering(OK)).port}/") == b"ok"


def test_every_address_is_tried(
    serve: Serve, transport: Transport, closed_port: int, hole: int, looked_up: LookedUp
) -> None:
    """An address that refuses, or swallows packets, leaves time for the next."""
    looked_up(at(closed_port, hole, serve(answering(OK)).port))
    assert get(transport, "http://chat.test/") == b"ok"


def test_who_meets_nobody_but_itself() -> None:
    """Two sockets that are each other's peers are two; one that is its own has found nobody."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sock,
    ):
        refuse_itself(sock)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        with pytest.raises(ConnectionRefusedError):
            refuse_itself(sock)


def test_all_addresses_together_have_one_total(transport: Transport, hole: int, looked_up: LookedUp) -> None:
    """A thousand addresses that swallow packets take no longer than one."""
    looked_up(at(*[hole] * 1000))
    with pytest.raises(NothingSentError, match="connect_timeout"):
        get(transport, "http://chat.test/", timeout=TOTAL)


def test_unknown_names(transport: Transport, looked_up: LookedUp) -> None:
    """Nothing was sent to a name that nobody has."""
    looked_up(Mock(side_effect=socket.gaierror(socket.EAI_NONAME, "not known")))
    with pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/")


def test_a_resolver_that_hangs(transport: Transport, looked_up: LookedUp) -> None:
    """The system's look-up knows no timeout; the total holds all the same."""
    released = threading.Event()
    looked_up(lambda *_, **__: released.wait(5) and [])
    with pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/", timeout=TOTAL)
    released.set()


def test_a_resolver_that_has_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started right now the request fails as for a name that nobody knows at the moment."""
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError))
    with closing(Transport()) as transport, pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/")


def test_a_name_without_addresses(transport: Transport, looked_up: LookedUp) -> None:
    """Nothing can be sent there."""
    looked_up(at())
    with pytest.raises(NothingSentError):
        get(transport, "http://chat.test/")
