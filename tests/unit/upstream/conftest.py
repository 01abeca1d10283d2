import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

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
def transport() -> Iterator[Transport]:
    """A transport as production has it."""
    with closing(Transport()) as transport:
        yield transport
