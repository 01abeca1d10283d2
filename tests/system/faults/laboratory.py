"""The chat service of the laboratory: what it does to each request is chosen by whoever sends the message."""

import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from tests.system.behaviours import Entry
from tests.system.faults.doors import Door
from tests.system.listeners import Received
from tests.system.standins import Ledger
from tests.unit.upstream.peers import Caller

# A request line of ours is shorter, a request longer than this.
_PEEKED = 160
_CONVERSATION = re.compile(rb"POST /send-message/[^/]*/([^/ ]*) HTTP/1\.1\r\n")
_TARGET = re.compile(r"/send-message/([^/]*)/([^/]*)")


class Exchange:
    """One request at the chat service, of which nothing has been read yet.

    To `take` it is to hand the message over to the customer: the ledger has it before anything is answered.
    """

    def __init__(self, sock: socket.socket, ledger: Ledger) -> None:
        self.sock = sock
        self._seen: list[bytes] = []
        self.caller = Caller(sock, self._seen)
        self._ledger = ledger

    def conversation(self) -> str | None:
        """The conversation that it is about, looked at and not read; None when no request came."""
        match = _CONVERSATION.match(self.sock.recv(_PEEKED, socket.MSG_PEEK | socket.MSG_WAITALL))
        return match[1].decode() if match else None

    def read(self) -> Entry:
        """Read the whole request and hand nothing over."""
        self.caller.request()
        request = Received.parse(self._seen.pop())
        target = _TARGET.fullmatch(request.path)
        assert target is not None
        return Entry(
            request_id=request.headers["x-request-id"],
            idempotency_key=request.headers["idempotency-key"],
            company_id=target[1],
            conversation_id=target[2],
            account_id=request.document["account_id"],
            text=request.document["message_body"],
            traceparent=request.headers["traceparent"],
        )

    def take(self) -> Entry:
        """Read the whole request and hand the message over."""
        entry = self.read()
        self._ledger.write(entry)
        return entry


Act = Callable[[Exchange], None]


def reset_unread(sock: socket.socket) -> None:
    """Reset (RST) whatever is there, without reading it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Laboratory:
    """Keeps connections alive, for `idle` seconds if that is given, and acts as planned, else as `usual` says.

    `plan` names what is done to the requests about one conversation, one after the other.
    """

    def __init__(self, ledger: Ledger, usual: Act, *, idle: float | None = None) -> None:
        self.usual = usual
        self.requests = self.connections = 0
        self._ledger = ledger
        self._idle = idle
        self._lock = threading.Lock()
        self._plans: dict[str, deque[Act]] = {}
        self.door = Door(self._serve)
        self.url = f"http://127.0.0.1:{self.door.port}"

    def plan(self, conversation: str, acts: Sequence[Act]) -> None:
        """Do this to the next requests about the conversation."""
        with self._lock:
            self._plans[conversation] = deque(acts)

    def __enter__(self) -> Self:
        self.door.open()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.door.__exit__(*arguments)

    def _serve(self, sock: socket.socket) -> None:
        with self._lock:
            self.connections += 1
        while True:
            sock.settimeout(self._idle)
            exchange = Exchange(sock, self._ledger)
            conversation = exchange.conversation()
            if conversation is None:
                return
            sock.settimeout(None)
            self._next(conversation)(exchange)

    def _next(self, conversation: str) -> Act:
        with self._lock:
            self.requests += 1
            planned = self._plans.get(conversation)
            return planned.popleft() if planned else self.usual
