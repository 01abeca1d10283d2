"""What the loop that serves everybody spends on one request, however small its pieces are."""

import time

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]

from config.serving.arrivals import Arrival

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
DRIPS = {
    "a head": (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 6_000, b"X"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 60_000, b"X"),
    "a size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_byte_costs_no_more_for_all_that_came_before(name: str) -> None:
    """20,000 packets of one byte: less than two seconds of the loop that serves everybody, not many times that."""
    start, drip = DRIPS[name]
    arrival = Arrival(65536)
    arrival.add(start)
    begun = time.process_time()
    for _ in range(20_000):
        arrival.add(drip)
    assert time.process_time() - begun < 2


def test_small_chunks_cost_as_much_as_they_are() -> None:
    """200,000 chunks of a byte are read in a few seconds, and not in a minute."""
    arrival = Arrival(200_000)
    arrival.add(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n")
    assert not arrival.is_cut
    request = next(get_parser(Config(), arrival, ("127.0.0.1", 1)))
    begun = time.process_time()
    assert request.body.read() == b"a" * 200_000
    assert time.process_time() - begun < 10
