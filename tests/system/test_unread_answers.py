"""Clients that send requests and read no answers hold up nobody, though each answer is small."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from config.serving.answer import ANSWER_SECONDS
from tests.system.clients import Connection, Request, sending
from tests.system.conftest import Serve

pytestmark = pytest.mark.system

THREADS = 2
CALL = Request("GET", "/v1")
# 8 KB each, and no token is asked for.
ANSWERS = 60
PIPELINE = Request("GET", "/openapi.json").to_bytes() * ANSWERS


@contextmanager
def deaf(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many clients that have sent PIPELINE and take next to nothing into their buffers."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(count)]
        for client in clients:
            # As over a network: on loopback a packet may have 64 KiB, and a buffer room for many of them.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect(("127.0.0.1", port))
            client.sendall(PIPELINE)
        yield clients


def test_who_reads_no_answers_holds_no_thread(serve: Serve) -> None:
    """Four times as many of them as there are threads: others, who wait less than a thread would, are answered."""
    server = serve(WEB_CONCURRENCY="1", THREADS=str(THREADS))
    with deaf(server.port, 4 * THREADS):
        for _ in range(5):
            with Connection(server.port) as connection:
                connection.socket.settimeout(ANSWER_SECONDS / 2)
                assert connection.ask(CALL).status == 200


def test_who_reads_gets_all_answers(serve: Serve) -> None:
    """As many requests one after the other, each when the answer before it was read."""
    server = serve(WEB_CONCURRENCY="1", THREADS=str(THREADS))
    with Connection(server.port) as connection:
        answers = [connection.ask(Request("GET", "/openapi.json")) for _ in range(ANSWERS)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1


def test_who_asks_to_go_on_behind_another_request_is_told_to(serve: Serve) -> None:
    """Both come in one packet: the answer to the first, then 100 Continue, and the body has its turn."""
    head, body = sending(headers={"Expect": "100-continue"}).to_bytes().split(b"\r\n\r\n")
    with Connection(serve().port) as connection, connection.socket.makefile("rb") as stream:
        connection.socket.sendall(CALL.to_bytes() + head + b"\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        # From the same reader: what follows may have come with the first answer.
        size = http.client.parse_headers(stream)["Content-Length"]
        assert json.loads(stream.read(int(size)))["message"].startswith("SalesCaptain API")
        assert (stream.readline(), stream.readline()) == (b"HTTP/1.1 100 Continue\r\n", b"\r\n")
        connection.socket.sendall(body)
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
