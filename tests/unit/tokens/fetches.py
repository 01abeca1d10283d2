"""Tokens of the keys of a key server, and what it can do in place of publishing them."""

import json
import threading

from tests.unit.key_servers import (
    PATIENCE,
    Behaviour,
    answers,
    http,
    key_set,
    publishes,
    signed,
)
from tests.unit.keys import segment
from tests.unit.upstream.peers import Caller

RSA, EC = signed("RSA", "RS256"), signed("P-256", "ES256")
GOOD = http(200, key_set("RSA", "P-256"))


def waits(gate: threading.Event) -> Behaviour:
    """Publish both keys, after the event."""

    def behaviour(caller: Caller) -> None:
        gate.wait(PATIENCE)
        caller.send(GOOD)

    return behaviour


def stops_halfway(caller: Caller) -> None:
    """Die within the answer."""
    caller.send(GOOD[:-9])
    caller.close()


# What a key server can do instead of publishing keys, and the word for it.
FAILURES = {
    "an error": (answers(500, key_set("P-256")), "status"),
    "not there": (answers(404), "status"),
    "no content": (answers(204), "status"),
    "not modified": (answers(304), "status"),
    "created": (answers(201, key_set("P-256")), "status"),
    "a page": (answers(200, b"<html>Sign in</html>", "Content-Type: text/html"), "malformed"),
    "an empty set": (answers(200, b'{"keys": []}'), "no_usable_key"),
    "only a secret": (
        answers(200, json.dumps({"keys": [{"kty": "oct", "k": segment(b"k" * 40)}]}).encode()),
        "no_usable_key",
    ),
    "only a weak key": (publishes("weak RSA"), "no_usable_key"),
    "too much": (answers(200, key_set("P-256").ljust(262_145)), "too_large"),
    "deep nesting": (answers(200, b"[" * 200_000), "malformed"),
    "half": (stops_halfway, "cut"),
    "no answer": (Caller.close, "closed"),
    "a reset": (Caller.reset, "reset"),
    "another protocol": (lambda caller: caller.send(b"220 mail.example ESMTP\r\n"), "malformed"),
}
