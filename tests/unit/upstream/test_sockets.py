"""Finding the peer, and being sure that it is the one."""

import gc
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest.mock import Mock

import pytest

from app.upstream.sockets import HandshakeError, connect, refuse_itself, secure, tls_context
from app.upstream.transport import NoAnswerError, NothingSentError, Transport, prepare
from tests.unit.upstream.certificates import Authority
from tests.unit.upstream.peers import OK, Caller, Peer, answering

Serve = Callable[..., Peer]
TOTAL = 0.4


def get(transport: Transport, url: str, **options: Any) -> bytes:  # send's
    return transport.send(prepare("GET", url, {}), **{"timeout": 5, **options}).content


def resolving(*ports: int) -> Transport:
    """A transport for which every name has these ports of loopback as its addresses."""
    where = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    return Transport(lookup=lambda *_, **__: where)


def test_names_are_looked_up(serve: Serve, transport: Transport) -> None:
    """By the system's resolver, which here knows `localhost`."""
    assert get(transport, f"http://localhost:{serve(answering(OK)).port}/") == b"ok"


def test_every_address_is_tried(serve: Serve, closed_port: int, hole: int) -> None:
    """An address that refuses, or swallows packets, leaves time for the next."""
    with closing(resolving(closed_port, hole, serve(answering(OK)).port)) as transport:
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


def test_all_addresses_together_have_one_total(hole: int) -> None:
    """A thousand addresses that swallow packets take no longer than one."""
    with closing(resolving(*[hole] * 1000)) as transport, pytest.raises(NothingSentError, match="connect_timeout"):
        get(transport, "http://chat.test/", timeout=TOTAL)


def test_unknown_names() -> None:
    """Nothing was sent to a name that nobody has."""

    def lookup(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    with closing(Transport(lookup=lookup)) as transport, pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/")


def test_a_resolver_that_hangs() -> None:
    """The system's look-up knows no timeout; the total holds all the same."""
    released = threading.Event()

    def lookup(*_: object, **__: object) -> list[Any]:
        released.wait(5)
        return []

    with closing(Transport(lookup=lookup)) as transport, pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/", timeout=TOTAL)
    released.set()


def test_a_resolver_that_has_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started right now the request fails as for a name that nobody knows at the moment."""
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError))
    with closing(Transport()) as transport, pytest.raises(NothingSentError, match="dns"):
        get(transport, "http://chat.test/")


def test_a_name_without_addresses() -> None:
    """Nothing can be sent there."""
    with closing(resolving()) as transport, pytest.raises(NothingSentError):
        get(transport, "http://chat.test/")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that only these tests believe."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch, transport: Transport) -> Transport:
    """A transport that believes that CA: OpenSSL's own variable names the default trust store."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.bundle)
    return transport


def secured(peer: Peer) -> str:
    return f"https://localhost:{peer.port}/"


def test_tls(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """A peer with a certificate of a CA that is believed is spoken to, and its connection used again."""
    peer = serve(answering(OK, OK), context=authority.context("localhost"))
    assert [get(trusting, secured(peer)) for _ in range(2)] == [b"ok", b"ok"]
    assert peer.accepted == 1


def test_what_nobody_asked_for_is_seen_under_tls(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """Be it the last byte of the largest record: the connection is not used again."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    body = b"a" * (16383 - len(head % 16383))
    answer = head % len(body) + body
    assert len(answer) == 16383
    peer = serve(answering(answer + b"x"), context=authority.context("localhost"))
    assert [get(trusting, secured(peer)) for _ in range(2)] == [body, body]
    assert peer.accepted == 2


def test_certificates_of_strangers(serve: Serve, transport: Transport, authority: Authority) -> None:
    """The default trust store knows nothing of our authority."""
    peer = serve(answering(OK), context=authority.context("localhost"))
    with pytest.raises(NothingSentError, match="tls"):
        get(transport, secured(peer))
    assert peer.requests == []


def test_certificates_of_others(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """A good certificate for another host is a bad one."""
    peer = serve(answering(OK), context=authority.context("other.test"))
    with pytest.raises(NothingSentError, match="tls"):
        get(trusting, secured(peer))
    assert peer.requests == []


def test_a_common_name_counts_for_nothing(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """Who signs certificates looks at the names that they are for (RFC 9110 section 4.3.4)."""
    peer = serve(answering(OK), context=authority.context("localhost", named=False))
    with pytest.raises(NothingSentError, match="tls"):
        get(trusting, secured(peer))
    assert peer.requests == []


@pytest.mark.usefixtures("trusting")
def test_a_name_may_end_with_a_dot(serve: Serve, authority: Authority) -> None:
    """In a URL, where it says that the name is complete; no certificate has it."""
    peer = serve(answering(OK), context=authority.context("localhost"))

    def lookup(_: str, *how: Any, **wanted: Any) -> Any:
        return socket.getaddrinfo("127.0.0.1", *how, **wanted)

    with closing(Transport(lookup=lookup)) as transport:
        assert get(transport, f"https://localhost.:{peer.port}/") == b"ok"


def test_old_versions_of_tls(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """TLS 1.1 is not spoken (RFC 8996)."""
    context = authority.context("localhost")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(NothingSentError, match="tls"):
        get(trusting, secured(serve(answering(OK), context=context)))


@pytest.mark.parametrize("script", [Caller.wait, Caller.close, answering(OK)], ids=["hangs", "ends", "is no TLS"])
def test_handshakes_that_fail(serve: Serve, trusting: Transport, script: Callable[[Caller], None]) -> None:
    """Without a session no byte of the request goes out."""
    with pytest.raises(NothingSentError, match="tls"):
        get(trusting, secured(serve(script)), timeout=TOTAL)


@pytest.mark.parametrize("end", [Caller.reset, Caller.close])
def test_peers_that_go_before_the_handshake(serve: Serve, end: Callable[[Caller], None]) -> None:
    """The socket is closed, and nothing plain is left to write to."""
    connected = threading.Event()

    def script(caller: Caller) -> None:
        connected.wait(5)
        end(caller)

    sock = connect("127.0.0.1", serve(script).port, time.monotonic() + 5, socket.getaddrinfo)
    connected.set()
    select.select([sock], [], [], 5)
    with pytest.raises(HandshakeError):
        secure(sock, tls_context(), "localhost", time.monotonic() + 5)
    assert sock.fileno() == -1
    gc.collect()  # an open socket would be an unraisable ResourceWarning, and so an error


def test_a_drip_under_tls(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """The total holds for records as for segments."""

    def script(caller: Caller) -> None:
        caller.request()
        caller.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + b"b" * 150 + b"\r\n\r\n")

    peer = serve(script, context=authority.context("localhost"))
    with pytest.raises(NoAnswerError, match="deadline"):
        get(trusting, secured(peer), timeout=TOTAL)


def test_an_end_that_tls_does_not_announce(serve: Serve, trusting: Transport, authority: Authority) -> None:
    """Anybody on the way can end the stream below TLS: a body that ends with it is cut (RFC 9112, 9.8)."""

    def script(caller: Caller) -> None:
        caller.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")

    peer = serve(script, context=authority.context("localhost"))
    with pytest.raises(NoAnswerError, match="cut"):
        get(trusting, secured(peer))
