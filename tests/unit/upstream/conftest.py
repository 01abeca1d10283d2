import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from app.upstream.transport import Transport
from tests.unit.upstream.peers import Peer


@pytest.fixture
def serve() -> Iterator[Callable[..., Peer]]:
    """Start a Peer with these scripts."""
    with ExitStack() as stack:
        yield lambda *scripts, **options: stack.enter_context(Peer(*scripts, **options))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound and not listening, so that nobody else listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def hole() -> Iterator[int]:
    """A port whose queue of connections is full: Linux drops every further SYN."""
    with ExitStack() as stack:
        listener, *callers = [stack.enter_context(socket.socket()) for _ in range(3)]
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Have names, and no addresses, be looked up by this function in place of the system's."""
    system = socket.getaddrinfo

    def by(lookup: Callable[..., Any]) -> None:
        def asked(host: str, *rest: Any, **more: Any) -> Any:
            return (system if host[0].isdigit() or more.get("flags") else lookup)(host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", asked)

    return by


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport as production has it."""
    with closing(Transport()) as transport:
        yield transport
