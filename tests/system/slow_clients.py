"""Clients that send slowly, halfway, or nothing, and what is read of the answers."""

import select
import socket
import threading
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from typing import Self

from tests.people import ACME, CONVERSATION, bearer
from tests.system.clients import JSON, Answer, Connection, Request, sending

CALL = Request("GET", "/v1")
CHUNKED = Request(
    "POST",
    f"/v1/send-message/{ACME}/{CONVERSATION}",
    {**bearer(), **JSON},
    [b'{"message_', b'body": ', b'"Hello"}'],
)
WHOLE = sending().to_bytes()
HEAD, BODY = WHOLE[: WHOLE.index(b"\r\n\r\n") + 4], WHOLE[WHOLE.index(b"\r\n\r\n") + 4 :]
# What somebody sends before they stop.
PARTS = {
    "nothing": b"",
    "half a head": HEAD[: len(HEAD) // 2],
    "half a body": HEAD + BODY[:5],
    "no last chunk": CHUNKED.to_bytes()[:-5],
    "an expectation": HEAD[:-2] + b"Expect: 100-continue\r\n\r\n",
}
# What somebody drips after the rest.
DRIPS = {"a head": (b"", HEAD), "a body": (HEAD, BODY)}


class Crowd:
    """Connections that stand around until the end of the `with` block."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stack = ExitStack()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._stack.close()

    def join(self, count: int, data: bytes) -> list[Connection]:
        """So many clients more, each of which sends this and then waits."""
        clients = [self._stack.enter_context(Connection(self._port)) for _ in range(count)]
        for client in clients:
            client.socket.sendall(data)
        return clients

    def drip(self, clients: list[Connection], data: bytes) -> None:
        """Let these clients send this, a byte each half second, until they are refused or the crowd is over."""
        thread = threading.Thread(target=self._drip, args=(clients, data), name="drip")
        thread.start()
        self._stack.callback(thread.join)

    def _drip(self, clients: list[Connection], data: bytes) -> None:
        for byte in data:
            for client in clients:
                with suppress(OSError):
                    client.socket.send(bytes([byte]))
            if self._over.wait(0.5):
                return


def answered(clients: list[Connection]) -> int:
    """How many of them have something to read, an answer or the end."""
    poll = select.poll()
    for client in clients:
        poll.register(client.socket, select.POLLIN)
    return len(poll.poll(0))


def receive(client: Connection) -> bytes:
    """All that comes until the service ends the connection; a drip after its end is answered by a reset."""
    data = bytearray()
    with suppress(ConnectionError):
        while piece := client.socket.recv(65536):
            data += piece
    return bytes(data)


def await_answer(client: Connection) -> Answer:
    """The next answer on this connection."""
    with HTTPResponse(client.socket) as response:
        response.begin()
        return Answer(response.status, response.headers, response.read(), 0)


def await_answer_head(client: Connection) -> bytes:
    """The first line of an interim answer."""
    with client.socket.makefile("rb") as stream:
        head = stream.readline()
        assert stream.readline() == b"\r\n"
        return head.rstrip()


def await_answer_of(client: Connection) -> int:
    """The status of the next answer, of which no byte too many is read."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.socket.recv(1)
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    client.socket.recv(int(length.partition(b":")[2]), socket.MSG_WAITALL)
    return int(head.split(b" ")[1])
