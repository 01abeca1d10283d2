"""When a request is all here, whatever the packets are that it comes in."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.serving.arrivals import BODY_SECONDS, HEAD_SECONDS, LARGEST_HEAD, Arrival, LingeringClose

LARGEST = 100
ALL = 1_000_000
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty line before it": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length": HEAD + b"content-length: \t5 \r\n\r\nHello",
    "a length of zero": HEAD + b"Content-Length: 0\r\n\r\n",
    "the largest": HEAD + b"Content-Length: 100\r\n\r\n" + bytes(100),
    "chunks": HEAD + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nHel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
    "padded sizes": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0000000000000005\r\nHello\r\n00000000\r\n\r\n",
    "chunks that look like ends": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\nB\r\n\r\n0\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: b\r\nY: c\r\n\r\n",
    "the smallest chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 100 + b"0\r\n\r\n",
}
# Over as soon as the last byte is here: the parser, or the application, refuses it.
REFUSED = {
    "lines that end with LF": b"GET / HTTP/1.1\n",
    "an endless head": (HEAD + b"X: ").ljust(LARGEST_HEAD + 1, b"a"),
    "a body that is too large": HEAD + b"Content-Length: 101\r\n\r\n",
    "a negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n",
    "a chunk of no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
    "a chunk of any size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 17 + b"\r\n",
    "a size without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;".ljust(301, b"a"),
    "no chunks": HEAD + b"Transfer-Encoding: gzip\r\n\r\n\r\n",
}
SIZES = (st.integers(0, 99) | st.integers(2**62, 2**64)).map(lambda size: b"%x\r\n" % size)


@pytest.mark.parametrize("name", WHOLE)
@given(st.data())
def test_it_is_over_with_its_last_byte(name: str, data: st.DataObject) -> None:
    """Not a byte earlier, however it is cut up; and the parser gets it as it came."""
    request = WHOLE[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request) - 1), max_size=8)))
    arrival = Arrival(LARGEST)
    pieces = [request[a:b] for a, b in zip([0, *cuts], [*cuts, len(request)], strict=True)]

    assert [arrival.add(piece) for piece in pieces] == [False] * len(cuts) + [True]
    assert arrival.has_head
    assert not arrival.is_cut
    assert arrival.recv(ALL) == request


@pytest.mark.parametrize("name", WHOLE)
def test_what_follows_is_not_waited_for(name: str) -> None:
    """A request is over though half of another one is behind it."""
    assert Arrival(LARGEST).add(WHOLE[name] + b"GET / HT")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_over_at_once(name: str) -> None:
    """It needs an answer and no patience."""
    arrival = Arrival(LARGEST)
    assert not arrival.add(REFUSED[name][:-1])
    assert arrival.add(REFUSED[name][-1:])
    assert arrival.has_head


@pytest.mark.parametrize("name", ["an endless head", "a body that is too large"])
def test_what_is_too_large_is_cut(name: str) -> None:
    """Bytes of it are still to come, so that no other request can follow."""
    arrival = Arrival(LARGEST)
    arrival.add(REFUSED[name])
    assert arrival.is_cut


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"", b"1;" + b"a" * 1000 + b"\r\nb\r\n"), (b"0\r\n", b"X: ".ljust(1000, b"y") + b"\r\n")],
    ids=["chunks", "trailers"],
)
def test_what_has_no_end_is_cut(start: bytes, piece: bytes) -> None:
    """What is kept of one request is bounded, in chunks and behind them too."""
    arrival = Arrival(LARGEST)
    arrival.add(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + start)
    assert any(arrival.add(piece) for _ in range(100))
    assert arrival.is_cut


@given(st.binary(max_size=300) | st.lists(SIZES | st.sampled_from([b"\r\n", b";", b"Hello"])).map(b"".join))
def test_no_chunks_are_too_odd(body: bytes) -> None:
    """Whatever comes where chunks should be, looking at it ends; an exception would end the worker's loop."""
    arrival = Arrival(LARGEST)
    arrival.add(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert arrival.add(body) in {True, False}


def test_a_parser_that_asks_for_more_gets_the_end() -> None:
    """And the connection is not used again: nobody knows where the next request would begin."""
    arrival = Arrival(LARGEST)
    arrival.add(WHOLE["no body"])
    arrival.recv(ALL)
    assert not arrival.is_cut
    assert arrival.recv(1) == b""
    assert arrival.is_cut


@pytest.mark.parametrize("size", [b"f" * 15, b"7" + b"f" * 15, b"8" + b"0" * 15, b"f" * 16, b"f" * 17])
def test_a_chunk_of_a_size_that_nothing_has(size: bytes) -> None:
    """It is waited for, or the parser refuses it; the loop that serves everybody goes on either way."""
    arrival = Arrival(LARGEST)
    arrival.add(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert arrival.add(size + b"\r\nHello\r\n") == (len(size) > 16)
    assert arrival.add(bytes(LARGEST_HEAD + 6 * LARGEST))


def test_the_parser_gets_what_it_asks_for_and_no_more() -> None:
    """What it did not ask for is the next request's."""
    arrival = Arrival(LARGEST)
    arrival.add(WHOLE["a length"] + b"GET / HT")
    size = len(WHOLE["a length"])
    assert arrival.recv(7) + arrival.recv(size - 7) == WHOLE["a length"]
    assert (arrival.rest(), arrival.is_cut) == (b"GET / HT", False)


def test_what_has_a_length_is_given_whole() -> None:
    """Without what follows; nothing is given of a request in chunks, nor of one of which bytes are missing."""
    arrivals = [Arrival(LARGEST) for _ in range(3)]
    for arrival, data in zip(
        arrivals, (WHOLE["a length"] + b"GET / HT", WHOLE["chunks"], WHOLE["a length"][:-1]), strict=True
    ):
        arrival.add(data)
    arrivals[2].add(b"")
    assert [arrival.whole() for arrival in arrivals] == [WHOLE["a length"], b"", b""]


def test_only_a_head_can_be_too_long_for_a_head() -> None:
    """Not with the body that comes with it; and one that is too long is, also when all of it comes at once."""
    with_body, long = Arrival(ALL), Arrival(ALL)
    with_body.add(HEAD + b"Content-Length: 100000\r\n\r\n" + bytes(100_000))
    long.add((HEAD + b"X: ").ljust(LARGEST_HEAD + 1, b"a") + b"\r\n\r\n")
    assert (with_body.is_too_long, with_body.is_cut) == (False, False)
    assert (long.is_too_long, long.is_cut) == (True, True)


def test_a_client_that_ends_early_cuts_its_request() -> None:
    """The end of the stream is the end of the wait."""
    arrival = Arrival(LARGEST)
    arrival.add(WHOLE["a length"][:-1])
    assert arrival.add(b"")
    assert arrival.is_cut


def test_head_and_body_have_a_time_each() -> None:
    """Bytes of a head gain no time, nor do bytes of a body; the end of the head begins the body's time."""
    begun = time.monotonic()
    arrival = Arrival(LARGEST)
    head_ends = arrival.deadline
    assert head_ends >= begun + HEAD_SECONDS
    arrival.add(HEAD)
    assert arrival.deadline == head_ends
    arrival.add(b"Content-Length: 5\r\n\r\n")
    body_ends = arrival.deadline
    assert body_ends >= head_ends - HEAD_SECONDS + BODY_SECONDS
    arrival.add(b"Hell")
    assert arrival.deadline == body_ends


@pytest.mark.parametrize(
    ("version", "body", "waits"),
    [
        (b"1.1", b"", True),
        (b"1.0", b"", False),
        (b"1.0\r\nX-A: a HTTP/1.1", b"", False),
        (b"1.1", b"Hello", False),
    ],
)
def test_an_expectation_is_met_before_the_body(version: bytes, body: bytes, *, waits: bool) -> None:
    """Only of HTTP/1.1, only when the body is not here; then the parser does not see it."""
    arrival = Arrival(LARGEST)
    head = b"POST / HTTP/%b\r\nexpect:100-Continue\r\nContent-Length: 5\r\n\r\n" % version
    assert arrival.add(head + body) == bool(body)
    assert arrival.expects_continue == waits
    if not body:
        assert [arrival.add(piece) for piece in (b"Hell", b"o")] == [False, True]
    assert (b"expect" not in arrival.recv(ALL)) == waits


def test_chunks_that_wait_for_an_answer_are_found_where_they_begin() -> None:
    """The head is shorter by the expectation then."""
    arrival = Arrival(LARGEST)
    encoding = b"Transfer-Encoding: chunked\r\n\r\n"
    pieces = (b"5\r\nHel", b"lo\r\n", b"0\r\n\r\n")
    assert not arrival.add(HEAD + b"Expect: 100-continue\r\n" + encoding)
    assert [arrival.add(piece) for piece in pieces] == [False, False, True]
    assert arrival.recv(ALL) == HEAD + encoding + b"".join(pieces)


def test_a_lingering_close_ends_when_the_client_hangs_up() -> None:
    """Nothing that it sends matters."""
    closing = LingeringClose()
    assert not closing.add(WHOLE["no body"])
    assert not closing.has_head
    assert closing.add(b"")
