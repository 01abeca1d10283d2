"""Which bodies hold a message; every other one is 400 and sends nothing."""

from typing import Any

import pytest

from tests.conftest import Caller
from tests.wire import Wire

MISSING = "conversation_id, account_id, and message_body must be provided!"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b""),
        ("application/json", b"{}"),
        ("application/json", b"{"),
        ("application/json", b"null"),
        ("application/json", b'"text"'),
        ("application/json", b'["message_body"]'),
        ("application/json", b'{"message_body": ""}'),
        ("application/json", b'{"message_body": " \\t\\n\\u00a0\\u3000"}'),
        ("application/json", b'{"message_body": null}'),
        ("application/json", b'{"message_body": 1}'),
        ("application/json", b'{"message_body": ["x"]}'),
        ("application/json", b'{"message_body": "a", "message_body": "b"}'),
        ("application/json", b'{"message_body": "a", "n": NaN}'),
        ("application/json", b'{"message_body": "a", "n": -Infinity}'),
        ("application/json", b'{"message_body": "a", "n": ' + b"1" * 4301 + b"}"),
        ("application/json", b'{"message_body": "\\ud800"}'),
        ("application/json", b'{"message_body": "a\\u0000b"}'),
        ("application/json", b'{"message_body": "\xff"}'),
        ("application/json", '{"message_body": "a"}'.encode("utf-16")),
        ("application/json", b"[" * 60_000),
        ("application/json", b'{"message_body": "a", "n": ' + b"[" * 100 + b"]" * 100 + b"}"),
        ("application/json; charset=utf-16", '{"message_body": "a"}'.encode("utf-16")),
        ("application/json; charset=iso-8859-1", b'{"message_body": "a"}'),
        ("text/plain", b'{"message_body": "a"}'),
        ("application/x-www-form-urlencoded", b"message_body=a"),
        ("", b'{"message_body": "a"}'),
    ],
)
def test_a_body_without_a_readable_message_is_400(
    caller: Caller, wire: Wire, content_type: str, body: bytes
) -> None:
    """The contract's sentence, INVALID_PARAMS, not_sent, and nothing forwarded."""
    answer = caller.send(data=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    assert (answer.get_json()["error"], answer.get_json()["code"]) == (MISSING, "INVALID_PARAMS")
    assert answer.headers["X-Send-Outcome"] == "not_sent"
    assert wire.chats == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"', "application/json; version=1"],
)
def test_json_may_say_that_it_is_in_utf_8(caller: Caller, content_type: str) -> None:
    """In any case, as types and their parameters are written (RFC 9110 section 8.3.1), or say nothing of it."""
    answer = caller.send(data='{"message_body": "Grüße"}'.encode(), headers={"Content-Type": content_type})
    assert (answer.status_code, answer.get_json()["data"]["body"]) == (200, "Grüße")


@pytest.mark.parametrize("spare", [0, 1])
def test_a_body_may_have_so_many_bytes_and_not_one_more(caller: Caller, wire: Wire, spare: int) -> None:
    """MAX_BODY_BYTES is the largest size taken."""
    empty = b'{"message_body": ""}'
    body = empty.replace(b'""', b'"' + b"x" * (65536 - len(empty) + spare) + b'"')
    answer = caller.send(data=body, content_type="application/json")

    expected: tuple[int, Any] = (400, "BODY_TOO_LARGE") if spare else (200, None)
    assert expected == (answer.status_code, answer.get_json().get("code"))
    assert (0 if spare else 1) == len(wire.chats)


@pytest.mark.parametrize("ended_by", ["werkzeug", "the server"])
def test_a_body_that_ends_early_is_not_sent(caller: Caller, wire: Wire, ended_by: str) -> None:
    """A message that is shorter than announced is incomplete (RFC 9112 section 8), even if what came is JSON."""
    answer = caller.send(
        data=b'{"message_body": "cut"}',
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "500", "wsgi.input_terminated": ended_by == "the server"},
    )

    assert (answer.status_code, answer.get_json()["code"]) == (400, "INVALID_PARAMS")
    assert wire.chats == []
