"""Being sure that the peer is the one, and that nobody on the way ends what it says."""

import gc
import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.upstream.sockets import HandshakeError, connect, secure, tls_context
from app.upstream.transport import NoAnswerError, NothingSentError, Transport, prepare
from tests.unit.upstream.certificates import Authority
from tests.unit.upstream.peers import OK, Caller, Peer, answering, at

Serve = Callable[..., Peer]
LookedUp = Callable[[Callable[..., Any]], None]
TOTAL = 0.4


def get(transport: Transport, url: str, **options: Any) -> bytes:  # send's
    return transport.send(prepare("GET", url, {}), **{"timeout": 5, **options}).content


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


def test_a_name_may_end_with_a_dot(
    serve: Serve, trusting: Transport, authority: Authority, looked_up: LookedUp
) -> None:
    """In a URL, where it says that the name is complete; no certificate has it."""
    peer = serve(answering(OK), context=authority.context("localhost"))
    looked_up(at(peer.port))
    assert get(trusting, f"https://localhost.:{peer.port}/") == b"ok"


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

    sock = connect("127.0.0.1", serve(script).port, time.monotonic() + 5)
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
