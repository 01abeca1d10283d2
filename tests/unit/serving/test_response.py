"""Answers are gunicorn's, in fewer packets."""

import contextlib
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName  # type: ignore[import-untyped]
from gunicorn.http.wsgi import Response  # type: ignore[import-untyped]

from config.serving.response import ANSWER_SECONDS, GoneError, OnePacketResponse

Fields = list[tuple[str, str]]


@dataclass
class Asked:
    """A request, as far as an answer asks for it."""

    method: str = "GET"
    version: tuple[int, int] = (1, 1)
    closes: bool = False
    headers: Fields = field(default_factory=list)

    def should_close(self) -> bool:
        """Whether the client wants the connection to end."""
        return self.closes


JSON = [("Content-Type", "application/json"), ("Content-Length", "2")]
ANSWERS: dict[str, tuple[Asked, str, Fields, list[bytes]]] = {
    "one piece": (Asked(), "200 OK", JSON, [b"{}"]),
    "two pieces": (Asked(), "200 OK", JSON, [b"{", b"}"]),
    "an empty piece first": (Asked(), "200 OK", JSON, [b"", b"{}"]),
    "more than it said": (Asked(), "200 OK", JSON, [b"{", b"}}}", b"x"]),
    "no body": (Asked(), "200 OK", [("Content-Length", "0")], []),
    "a length in small letters": (Asked(), "200 OK", [("content-length", "2")], [b"{}"]),
    "chunks": (Asked(), "200 OK", [], [b"a" * 20, b"", b"b"]),
    "no chunk": (Asked(), "200 OK", [], []),
    "no chunks for HTTP/1.0": (Asked(version=(1, 0)), "200 OK", [], [b"a", b"b"]),
    "only the head": (Asked("HEAD"), "200 OK", JSON, [b"{}"]),
    "no content": (Asked(), "204 No Content", [("Content-Length", "0")], []),
    "nothing new": (Asked(), "304 Not Modified", JSON, []),
    "the end of a connection": (Asked(closes=True), "500 Oops", JSON, [b"{}"]),
    "fields of the connection": (Asked(), "200 OK", [*JSON, ("Connection", "close"), ("TE", "x")], [b"{}"]),
    "spaces around a value": (Asked(), "200 OK", [*JSON, ("X-A", " b\t")], [b"{}"]),
    "Latin-1": (Asked(), "200 Sch\xf6n", [*JSON, ("X-A", "caf\xe9")], [b"{}"]),
}
DATE = re.compile(rb"\r\nDate: [^\r]+\r\n")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that keep apart what is sent at once."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    other.setblocking(False)
    with one, other:
        yield one, other


def packets(sock: socket.socket) -> Iterator[bytes]:
    """What came at once, each."""
    with contextlib.suppress(BlockingIOError):
        while True:
            yield sock.recv(1 << 16)


def answered(kind: Callable[..., Response], ends: tuple[socket.socket, socket.socket], name: str) -> list[bytes]:
    """The packets of an answer, and whether the connection ends."""
    asked, status, fields, pieces = ANSWERS[name]
    answer = kind(asked, ends[0], Config())
    answer.start_response(status, fields)
    for piece in pieces:
        answer.write(piece)
    answer.close()
    return [*packets(ends[1]), b"closes" if answer.should_close() else b"stays"]


@pytest.mark.parametrize("name", ANSWERS)
def test_it_is_what_gunicorn_sends(ends: tuple[socket.socket, socket.socket], name: str) -> None:
    """Byte for byte, but for the second in which it is sent."""
    ours, gunicorns = (b"".join(answered(kind, ends, name)) for kind in (OnePacketResponse, Response))
    assert DATE.search(ours)
    assert DATE.sub(b"\r\n", ours) == DATE.sub(b"\r\n", gunicorns)


@pytest.mark.parametrize("name", ["one piece", "no body", "only the head", "no content", "more than it said"])
def test_head_and_body_come_in_one_packet(ends: tuple[socket.socket, socket.socket], name: str) -> None:
    """Or in as many as the application has pieces."""
    pieces = [piece for piece in ANSWERS[name][3][:2] if piece]
    assert len(answered(OnePacketResponse, ends, name)) == max(1, len(pieces)) + 1


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\nb", "a\0", "a\x7f", "\u20ac"])
def test_no_value_makes_another_field(ends: tuple[socket.socket, socket.socket], value: str) -> None:
    """Gunicorn's error is raised before a byte is sent."""
    answer = OnePacketResponse(Asked(), ends[0], Config())
    with pytest.raises(InvalidResponseHeader):
        answer.start_response("200 OK", [*JSON, ("X-A", value)])
    assert not [*packets(ends[1])]


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X-A\r\nX-B", "X-\xc4"])
def test_no_name_makes_another_field(ends: tuple[socket.socket, socket.socket], name: str) -> None:
    """Nor is one sent that is none."""
    with pytest.raises(InvalidResponseHeaderName):
        OnePacketResponse(Asked(), ends[0], Config()).start_response("200 OK", [*JSON, (name, "a")])


def test_nothing_is_sent_before_there_is_a_piece(ends: tuple[socket.socket, socket.socket]) -> None:
    """Until then an answer can be replaced (PEP 3333), and afterwards no more."""
    answer, failure = OnePacketResponse(Asked(), ends[0], Config()), ValueError("late")
    answer.start_response("200 OK", [*JSON, ("X-A", "b")])
    answer.write(b"")
    assert not [*packets(ends[1])]
    answer.start_response("500 Oops", JSON, (ValueError, failure, None))
    answer.write(b"{}")
    (packet,) = packets(ends[1])
    assert packet.startswith(b"HTTP/1.1 500 Oops\r\n")
    assert b"X-A" not in packet
    with pytest.raises(ValueError, match="late"):
        answer.start_response("500 Oops", JSON, (ValueError, failure, None))


def test_what_is_added_later_is_not_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    """The list of fields stays the application's: it is judged, and copied, when it is given."""
    answer, fields = OnePacketResponse(Asked(), ends[0], Config()), [*JSON]
    answer.start_response("200 OK", fields)
    fields.append(("X-A", "b\r\nX-B: c"))
    answer.write(b"{}")
    assert b"X-A" not in b"".join(packets(ends[1]))


class Impatient(socket.socket):
    """A socket that waits for its peer a hundredth of a second, and keeps how long it is told to."""

    told: float | None = None

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        super().settimeout(0.01)

    def settimeout(self, value: float | None, /) -> None:
        """Keep it."""
        self.told = value


def test_who_does_not_take_it_has_gone() -> None:
    """As gunicorn takes it of clients that have hung up; until then each write has ANSWER_SECONDS."""
    one, other = socket.socketpair()
    with Impatient(one.detach()) as impatient, other:
        answer = OnePacketResponse(Asked(), impatient, Config())
        answer.start_response("200 OK", [])
        with pytest.raises(GoneError):
            answer.write(bytes(10_000_000))
    assert impatient.told == ANSWER_SECONDS


def test_a_large_piece_arrives_whole() -> None:
    """Far more than the socket takes at once: what it did not take follows, and nothing twice."""
    body = bytes(range(251)) * 8192
    one, other = socket.socketpair()
    with one, other, other.makefile("rb") as received, ThreadPoolExecutor(1) as thread:
        answer = OnePacketResponse(Asked(), one, Config())
        answer.start_response("200 OK", [("Content-Length", str(len(body)))])
        writing = thread.submit(answer.write, body)
        while received.readline() != b"\r\n":
            pass
        assert received.read(len(body)) == body
        writing.result()


@pytest.mark.parametrize(("pieces", "may"), [([b"{"], False), ([b"{}"], True), ([b"{", b"}}"], True), ([], False)])
def test_nothing_follows_a_body_that_is_too_short(
    ends: tuple[socket.socket, socket.socket], pieces: list[bytes], *, may: bool
) -> None:
    """The client would take the next answer for its end."""
    answer = OnePacketResponse(Asked(), ends[0], Config())
    answer.start_response("200 OK", JSON)
    for piece in pieces:
        answer.write(piece)
    answer.close()
    assert answer.may_be_followed() is may


def test_fields_are_texts(ends: tuple[socket.socket, socket.socket]) -> None:
    """As PEP 3333 wants it."""
    for wrong in [("X-A", 1), (b"X-A", "b"), ("X-A", None)]:
        with pytest.raises(TypeError):
            OnePacketResponse(Asked(), ends[0], Config()).start_response("200 OK", [wrong])
