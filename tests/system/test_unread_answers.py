"""Clients that send requests and read no answers hold up nobody, though each answer is small."""

import ctypes
import http.client
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from config.serving.response import ANSWER_SECONDS
from tests.system.clients import Connection, Request, sending
from tests.system.conftest import Serve
from tests.system.processes import await_until, established
from tests.system.servers import Server

pytestmark = pytest.mark.system

THREADS = 2
CALL = Request("GET", "/v1")
ANSWERS = 60
PIPELINES = {
    # 8 and 18 KB each, and no token is asked for.
    "the document": Request("GET", "/openapi.json"),
    "a page": Request("GET", "/docs/send-message.md"),
    "small answers": CALL,
    "bodies that are here already": Request("GET", "/v1", {"Expect": "100-continue", "Content-Length": "1"}, b"x"),
}
# Less than a thread waits for a client.
SHORTER = ANSWER_SECONDS / 2
# So many clients, whose answers are longer each: the end of the room for them is met in every place.
CLIENTS = 64
# A program for the system's packet filter (SO_ATTACH_FILTER, socket(7)): what has data is dropped, so that no
# answer is ever acknowledged. Load the length; if it is more than a bare TCP header's, return nothing, else all.
SO_ATTACH_FILTER = 26
FILTER = [(0x80, 0, 0, 0), (0x25, 0, 1, 60), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]


def drop_data(client: socket.socket) -> None:
    """Have the system take nothing for this client that has data in it."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in FILTER))
    address = ctypes.addressof(program)
    client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(FILTER), address))


@contextmanager
def deaf(port: int, request: Request, packet: int) -> Iterator[list[socket.socket]]:
    """CLIENTS that have sent ANSWERS requests at once and take nothing, in packets of so many bytes."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(CLIENTS)]
        for length, client in enumerate(clients, 1):
            # As over a network: on loopback a packet may have 64 KiB, and a buffer room for many of them.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, packet)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            client.connect(("127.0.0.1", port))
            drop_data(client)
            mine = replace(request, headers={**request.headers, "X-Request-ID": "r" * length})
            client.sendall(mine.to_bytes() * ANSWERS)
        yield clients


def await_turns(server: Server, clients: list[socket.socket]) -> None:
    """Return when each client is told to go or has had all its answers; others are answered meanwhile."""
    ports = {"r" * length: client.getsockname()[1] for length, client in enumerate(clients, 1)}

    def are_over() -> bool:
        with Connection(server.port) as connection:
            connection.socket.settimeout(SHORTER)
            assert connection.ask(CALL).status == 200
        kept, had = established(server.port), Counter(line["request_id"] for line in server.events("request"))
        return all(port not in kept or had[name] == ANSWERS for name, port in ports.items())

    await_until(are_over, lambda: f"some are still served:\n{server.log}")


@pytest.mark.skipif(sys.platform != "linux", reason="the packet filter is Linux's")
@pytest.mark.parametrize("packet", [88, 1400])
@pytest.mark.parametrize("name", PIPELINES)
def test_who_reads_no_answers_holds_no_thread(serve: Serve, name: str, packet: int) -> None:
    """Many more of them than there are threads: others, who wait less than a thread would, are answered."""
    server = serve(WEB_CONCURRENCY="1", THREADS=str(THREADS))
    with deaf(server.port, PIPELINES[name], packet) as clients:
        await_turns(server, clients)


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
