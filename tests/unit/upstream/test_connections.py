"""What goes over the wire."""

import time
from collections.abc import Callable

import pytest
import requests

from app.upstream.connections import Connection, Origin
from app.upstream.sockets import tls_context
from app.upstream.transport import NothingSentError, Transport, prepare
from tests.unit.upstream.peers import OK, Peer, answering

Serve = Callable[..., Peer]


def test_a_request_is_sent_as_it_is(serve: Serve, transport: Transport) -> None:
    """Method, target, headers and body are those of the prepared request, plus Host, and no other."""
    peer = serve(answering(OK))
    transport.send(prepare("POST", peer.url + "a?b=c", {"Accept": "a/b", "X-A": "\u00e4"}, b"{}"), timeout=5)
    expected = (
        f"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\n"
        "Accept: a/b\r\nX-A: \u00e4\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert peer.requests == [expected.encode("latin-1")]


@pytest.mark.parametrize(
    "target", ["/a/../b/./c", "/%2E%2E/%2e%2f", "//a//b", "/?", "/a?b=%zz&c=[]{}'\"<>", "/%C3%A4"]
)
def test_targets_are_not_tidied(serve: Serve, transport: Transport, target: str) -> None:
    """No dot segment is removed, nothing is decoded or encoded."""
    peer = serve(answering(OK))
    transport.send(prepare("GET", peer.url.rstrip("/") + target, {}), timeout=5)
    assert peer.requests[0].split(b" ")[1].decode() == target


def test_a_target_is_never_empty(serve: Serve, transport: Transport) -> None:
    """A URL without a path means its root (RFC 9112, 3.2.1)."""
    peer = serve(answering(OK, OK))
    transport.send(prepare("GET", peer.url.rstrip("/"), {}), timeout=5)
    transport.send(prepare("GET", peer.url.rstrip("/") + "?a=b", {}), timeout=5)
    assert [request.split(b" ")[1] for request in peer.requests] == [b"/", b"/?a=b"]


def test_bodies_arrive_byte_for_byte(serve: Serve, transport: Transport) -> None:
    """Neither text in UTF-8 nor a body of many packets is changed."""
    peer = serve(answering(OK, OK))
    bodies = ["\u00e4\u20ac\U0001f600".encode(), bytes(range(256)) * 1000]
    for body in bodies:
        transport.send(prepare("POST", peer.url, {}, body), timeout=5)
    assert [request.partition(b"\r\n\r\n")[2] for request in peer.requests] == bodies


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (("http", "a.test", 80), "a.test"),
        (("https", "a.test", 443), "a.test"),
        (("http", "a.test", 443), "a.test:443"),
        (("https", "::1", 443), "[::1]"),
        (("http", "::1", 8000), "[::1]:8000"),
    ],
)
def test_the_host_of_an_origin(origin: tuple[str, str, int], host: str) -> None:
    """As in the URL, without the port that its scheme has anyway."""
    assert Origin(*origin).authority == host


def test_a_body_is_bytes(serve: Serve, transport: Transport) -> None:
    """Text has no one encoding, and a file can end early."""
    request = prepare("POST", serve(answering(OK)).url, {"Content-Length": "2"})
    request.body = "{}"
    with pytest.raises(NothingSentError, match="malformed"):
        transport.send(request, timeout=5)


BAD_REQUESTS = {
    "line break in a value": prepare("POST", "{url}", {"A": "b\r\nC: d"}, b""),
    "folded value": prepare("POST", "{url}", {"A": "b\r\n c"}, b""),
    "line break in a name": prepare("POST", "{url}", {"A\r\nC": "d"}, b""),
    "line break in bytes": prepare("POST", "{url}", {"A": b"b\r\nC: d"}, b""),  # type: ignore[dict-item]
    "a number": prepare("POST", "{url}", {"A": 1}, b""),  # type: ignore[dict-item]
    "blank in a name": prepare("POST", "{url}", {"A ": "b"}, b""),
    "no name": prepare("POST", "{url}", {"": "b"}, b""),
    "value beyond latin-1": prepare("POST", "{url}", {"A": "\u20ac"}, b""),
    "line break in the path": prepare("POST", "{url}a\r\nb", {}, b""),
    "blank in the path": prepare("POST", "{url}a b", {}, b""),
    "path beyond ASCII": prepare("POST", "{url}\u00e4", {}, b""),
    "fragment": prepare("POST", "{url}#a", {}, b""),
    "user": prepare("POST", "http://user:secret@127.0.0.1/", {}, b""),
    "port": prepare("POST", "http://127.0.0.1:65537/", {}, b""),
    "scheme": prepare("POST", "file:///etc/passwd", {}, b""),
    "no host": prepare("POST", "http:///a", {}, b""),
    "empty label": prepare("POST", "http://a..b/", {}, b""),
}


@pytest.mark.parametrize("request_", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_malformed_requests(serve: Serve, transport: Transport, request_: requests.PreparedRequest) -> None:
    """What cannot be written as one HTTP request is refused before anything is sent."""
    peer = serve(answering(OK))
    request_.url = (request_.url or "").replace("{url}", peer.url)
    with pytest.raises(NothingSentError, match="malformed"):
        transport.send(request_, timeout=5)
    assert peer.accepted == 0


def test_a_socket_that_takes_no_options_is_given_up_all_the_same(serve: Serve) -> None:
    """As on macOS after a reset: what is told is why the request failed, not that."""
    peer = serve(answering(OK))
    connection = Connection(Origin("http", "127.0.0.1", peer.port), tls_context, made_at=0.0)
    connection.exchange(prepare("POST", peer.url, {}, b"{}"), "/", time.monotonic() + 5, room=100)
    assert connection.sock is not None
    connection.sock.close()
    connection.give_up()

    assert connection.sock is None
