"""The worker serves what PEP 3333 calls an application, as gunicorn does; also one that fails halfway."""

from collections.abc import Iterator

import pytest

from tests.system.clients import Connection, Request
from tests.system.servers import Server, gunicorn, served
from tests.system.standins import Services

pytestmark = pytest.mark.system

APPLICATION = '''
import ssl


class Pieces:
    """Says when it is closed."""

    def __init__(self, pieces, closed):
        self.pieces, self.closed = pieces, closed

    def __iter__(self):
        return iter(self.pieces)

    def close(self):
        self.closed.append(1)


closed = []


def broken(piece, error=ValueError):
    yield piece
    raise error("secret")


def application(environ, start_response):
    path, fields = environ["PATH_INFO"], [("Content-Type", "text/plain")]
    if path == "/raises":
        raise ValueError("secret")
    if path == "/splits":
        fields.append(("X-A", "b\\r\\nX-B: secret"))
    if path == "/starts nothing":
        return [b"a"]
    write = start_response("200 OK", fields)
    if path == "/written":
        write(b"a")
        write(b"b")
        return [b"c"]
    if path == "/body":
        return [environ["wsgi.input"].read()]
    if path == "/closed":
        return [b"%d" % len(closed)]
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if path == "/begins":
        return broken(b"")
    if path == "/breaks":
        return Pieces(broken(b"half"), closed)
    if path == "/breaks-upstream":
        return Pieces(broken(b"half", ssl.SSLError), closed)
    return Pieces([b"Hel", b"", b"lo"], closed)
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("strange")
    (folder / "strange.py").write_text(APPLICATION)
    strange = gunicorn("--pythonpath", str(folder), application="strange:application")
    with Services() as services, served(services, strange, WEB_CONCURRENCY="1", THREADS="2") as running:
        yield running


@pytest.mark.parametrize("connection", ["keep-alive", "x-unknown"], ids=["plainly", "by gunicorn"])
def test_what_it_yields_is_sent(server: Server, connection: str) -> None:
    """In pieces, written or yielded, also from a file, and closed at the end, whichever way a request is read."""
    with Connection(server.port) as client:

        def body(method: str, path: str, body: bytes | list[bytes] | None = None) -> bytes:
            return client.ask(Request(method, path, {"Connection": connection}, body)).body

        closed = int(body("GET", "/closed"))
        assert body("GET", "/") == b"Hello"
        assert body("HEAD", "/") == b""
        assert int(body("GET", "/closed")) == closed + 2
        assert body("GET", "/written") == b"abc"
        assert body("GET", "/file") == APPLICATION.encode()
        assert body("POST", "/body", b"{}") == b"{}"
        assert body("POST", "/body", [b"{", b"}"]) == b"{}"


@pytest.mark.parametrize("path", ["/breaks", "/breaks-upstream"])
def test_what_breaks_off_is_not_made_whole(server: Server, path: str) -> None:
    """Once an answer has begun nothing follows: its end is missing, the connection ends, and the log says so."""
    before = len(server.events("answer broken off"))
    with Connection(server.port) as client:
        client.socket.sendall(Request("GET", path).to_bytes())
        received = b"".join(iter(lambda: client.socket.recv(4096), b""))
    assert received.count(b"HTTP/1.1") == 1
    assert received.endswith(b"\r\n\r\n4\r\nhalf\r\n")
    server.await_events("answer broken off", before + 1)
    assert len(server.events("answer broken off")) == before + 1
    assert "secret" not in server.log


@pytest.mark.parametrize("path", ["/raises", "/begins", "/splits", "/starts%20nothing"])
def test_what_raises_is_a_failure(server: Server, path: str) -> None:
    """500 without a word of the exception, as long as nothing was sent; the next one is answered."""
    before = len(server.events("no request"))
    with Connection(server.port) as client:
        answer = client.ask(Request("GET", path))
    assert (answer.status, answer.body) == (500, b"")
    server.await_events("no request", before + 1)
    assert [line["level"] for line in server.events("no request")[before:]] == ["ERROR"]
    with Connection(server.port) as client:
        assert client.ask(Request("GET", "/")).body == b"Hello"
    assert "secret" not in server.log
