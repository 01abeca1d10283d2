"""Which bytes are an answer, byte by byte; all others are a failure."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.upstream.received import ReceivedError
from app.upstream.responses import HTTPResponse

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"3;x=y\r\nhel\r\n00002\r\nlo\r\n0\r\nChecksum: 1\r\n\r\n"
)
UNTIL_CLOSE = b"HTTP/1.0 200\r\n\r\nhello"


class Segments:
    """A socket that hands out these segments, one a call, then the end of the stream."""

    def __init__(self, *segments: bytes) -> None:
        self._segments = [segment for segment in segments if segment]

    def recv(self, size: int) -> bytes:
        """Of the next segment, as much as is asked for."""
        segment = self._segments.pop(0) if self._segments else b""
        if segment[size:]:
            self._segments.insert(0, segment[size:])
        return segment[:size]


def read(*segments: bytes) -> HTTPResponse:
    answer = HTTPResponse(Segments(*segments))
    answer.begin()
    answer.body = answer.read_body()
    return answer


@given(
    whole=st.sampled_from([LENGTH, CHUNKED, UNTIL_CLOSE]),
    cuts=st.lists(st.integers(0, len(CHUNKED))),
)
def test_segments_do_not_matter(whole: bytes, cuts: list[int]) -> None:
    """An answer means the same however TCP cuts it up."""
    edges = [0, *sorted(cuts), len(whole)]
    segments = [whole[start:end] for start, end in pairwise(edges)]
    answer, expected = read(*segments), read(whole)
    assert (expected.status, expected.fields, b"hello") == (answer.status, answer.fields, answer.body)


@pytest.mark.parametrize("whole", [LENGTH, CHUNKED], ids=["length", "chunked"])
def test_no_part_of_an_answer_is_an_answer(whole: bytes) -> None:
    """An answer cut anywhere, its last byte included, is a failure."""
    for size in range(len(whole)):
        with pytest.raises(ReceivedError, match=r"closed|cut"):
            read(whole[:size])


def test_fields_of_one_name_are_joined() -> None:
    """RFC 9110, 5.3; whatever the case of their letters."""
    assert read(LENGTH).fields["x-a"] == "1, 2"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_answers_without_a_body(status: bytes) -> None:
    """204 and 304 end with their head, whatever it announces (RFC 9112, 6.3)."""
    assert read(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n").body == b""


def test_frames_are_not_kept() -> None:
    """Chunks of a byte with long extensions are 64 MB around a body of 64 KB: no more than a piece is kept."""
    chunks = [b"1;" + b"e" * 1000 + b"\r\na\r\n"] * 5000
    tracemalloc.start()
    body = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n").body
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (len(body), peak < 1_000_000) == (5000, True)


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", True),
    ],
)
def test_when_the_connection_ends(*, head: bytes, closes: bool) -> None:
    """A connection goes on only where nothing else can be meant."""
    assert read(head).will_close is closes


def test_interim_answers_are_skipped() -> None:
    """100, 102 and 103 come before the answer (RFC 9110, 15.2)."""
    interim = b"".join(b"HTTP/1.1 %d x\r\nA: b\r\n\r\n" % status for status in [100, 102, 103, 100] * 2)
    assert read(interim + LENGTH).status == 200


ODD = {
    "too many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + LENGTH,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + LENGTH,
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "no such status": b"HTTP/1.1 099 Odd\r\n\r\n",
    "status beyond 5xx": b"HTTP/1.1 600 Odd\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
    "control character": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "carriage return in a field": b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
    "superscript length": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhe",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with 0x": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "chunk size with _": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0_1\r\na\r\n0\r\n\r\n",
    "negative chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
    "chunk without its end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\n0\r\n\r\n",
    "chunk beyond its size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "odd trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n odd\r\n\r\n",
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_odd_answers_are_refused(data: bytes) -> None:
    """What could be read in two ways is a failure, never a guess."""
    with pytest.raises(ReceivedError, match="malformed"):
        read(data)


LIMIT = 65536
LARGE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
    "enormous length": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LIMIT + 1),
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"8001\r\n%b\r\n" % (b"x" * 0x8001) * 2,
    "field": b"HTTP/1.1 200 OK\r\nA: " + b"x" * LIMIT,
    "fields": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    "head": b"HTTP/1.1 200 OK\r\n" + b"A: %b\r\n" % (b"x" * 40_000) * 2 + b"\r\n",
    "status line": b"HTTP/1.1 200 " + b"x" * LIMIT,
    "chunk extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1024,
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_large_answers_are_refused(data: bytes) -> None:
    """Neither head nor body is read beyond 64 KB, nor more than a hundred fields."""
    with pytest.raises(ReceivedError, match="too_large"):
        read(data)


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 65536\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n10000\r\n"],
    ids=["length", "until close", "chunked"],
)
def test_the_largest_answer_is_read(head: bytes) -> None:
    """64 KB are not too many."""
    end = b"\r\n0\r\n\r\n" if b"chunked" in head else b""
    assert len(read(b"HTTP/1.1 200 OK\r\n" + head + b"x" * LIMIT + end).body) == LIMIT


@pytest.mark.parametrize(("status", "refuses"), [(399, False), (400, True), (499, True), (500, False)])
def test_which_answers_refuse(*, status: int, refuses: bool) -> None:
    """A client error says that nothing was done; any other says nothing of the kind (RFC 9110, 15.5)."""
    assert read(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status).refuses is refuses
