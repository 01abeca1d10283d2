"""What the chat service may do to a request, at every level from TCP to JSON."""

import gzip
import json
import random
from functools import cache
from threading import Event

from tests.system.behaviours import Behaviour, Entry, delivered, http_answer
from tests.system.faults.laboratory import Act, Exchange
from tests.unit.upstream.peers import Caller
from tests.wire import sent_message

_BLOCK = bytes(65536)
_HUGE = 300 << 20


def taking(behaviour: Behaviour) -> Act:
    """Hand the message over, then behave so."""
    return lambda exchange: behaviour(exchange.caller, exchange.take())


def late(seconds: float) -> Act:
    """Hand the message over and answer well, after so many seconds."""

    def act(exchange: Exchange) -> None:
        entry = exchange.take()
        Event().wait(seconds)
        exchange.caller.send(delivered(entry))

    return act


def refusing(status: int, exchange: Exchange) -> None:
    exchange.read()
    exchange.caller.send(http_answer(status, {"detail": "no"}))


def refusing_early(exchange: Exchange) -> None:
    """Answer before the body was read, and close: the reset may overtake the answer."""
    exchange.caller.read(200)
    exchange.caller.send(http_answer(413, {}))
    exchange.caller.close()


def resetting_after(share: float, exchange: Exchange) -> None:
    left = int(share * 40_000) + 1
    while left:
        left -= len(exchange.caller.read(min(left, 65536)))
    exchange.caller.reset()


def dripping_body(caller: Caller, entry: Entry) -> None:
    head, _, body = delivered(entry).partition(b"\r\n\r\n")
    caller.send(head + b"\r\n\r\n")
    caller.drip(body, pause=0.1)


def silent_within(caller: Caller, entry: Entry) -> None:
    caller.send(delivered(entry)[:-20])
    caller.wait()


def flooding(caller: Caller, _: Entry) -> None:
    for _number in range(100_000):
        caller.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def hinting(caller: Caller, entry: Entry) -> None:
    caller.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + delivered(entry))


def talking_on(caller: Caller, entry: Entry) -> None:
    """Bytes that nobody asked for, behind a good answer."""
    caller.send(delivered(entry) + delivered(entry))


def hanging_up(caller: Caller, entry: Entry) -> None:
    """A good answer on a connection that is then closed without having announced it."""
    caller.send(delivered(entry))
    caller.close()


def huge(caller: Caller, _: Entry) -> None:
    caller.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _HUGE)
    for _number in range(_HUGE // len(_BLOCK)):
        caller.send(_BLOCK)


def huge_chunks(caller: Caller, _: Entry) -> None:
    caller.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _number in range(_HUGE // len(_BLOCK)):
        caller.send(b"%x\r\n%b\r\n" % (len(_BLOCK), _BLOCK))


def many_headers(caller: Caller, _: Entry) -> None:
    caller.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        caller.send(b"X-%d: y\r\n" % number * 100)


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(50 << 20), mtime=0)


def bombing(caller: Caller, _: Entry) -> None:
    caller.send(http_answer(200, body=_bomb(), Content_Encoding="gzip"))


def garbage(caller: Caller, entry: Entry) -> None:
    caller.send(random.Random(entry.request_id).randbytes(2000))  # noqa: S311 - not a secret
    caller.close()


def raw(body: bytes) -> Behaviour:
    return lambda caller, _: caller.send(http_answer(200, body=body))


def changed(caller: Caller, entry: Entry, **changes: object) -> None:
    caller.send(http_answer(200, sent_message(entry.conversation_id, entry.text) | changes))


def without_id(caller: Caller, entry: Entry) -> None:
    message = sent_message(entry.conversation_id, entry.text)
    del message["message_id"]
    caller.send(http_answer(200, message))


def without_length(caller: Caller, entry: Entry) -> None:
    """A cut that only the missing end of the JSON betrays."""
    body = json.dumps(sent_message(entry.conversation_id, entry.text)).encode()
    caller.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body[:-20])
    caller.close()
