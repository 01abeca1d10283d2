"""Idempotency-Key on a route that sends, in process."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from app.stores import Claim
from app.stores.memory import MemoryStore
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.conftest import Caller
from tests.people import ACME, CONVERSATION, ISSUER
from tests.routes.keyed import caller_of, keyed
from tests.wire import Answer as Answered
from tests.wire import Wire, reply

OTHER_CONVERSATION = "c2c3d4e5-f6a7-8901-bcde-f12345678902"


def test_a_repeated_request_gets_the_first_answer_and_sends_nothing(caller: Caller, wire: Wire) -> None:
    """The same bytes, told as replayed; the limit is charged all the same."""
    first = keyed(caller, json={"message_body": "Grüße 🦩"})
    second = keyed(caller, json={"message_body": "Grüße 🦩", "template_id": "ignored"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.get_data() == second.get_data()
    assert (
        first.headers.get("Idempotent-Replayed"),
        second.headers.get("Idempotent-Replayed"),
    ) == (None, "true")
    assert (second.headers["X-Send-Outcome"], second.headers["X-RateLimit-Remaining"]) == ("sent", "28")
    assert len(wire.chats) == 1


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class WatchedStore(MemoryStore):
    """A store that keeps which keys were claimed, with which fingerprints."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed: list[tuple[str, str]] = []

    def claim(self, key: str, fingerprint: str, owner: str, **options: Any) -> Claim:
        self.claimed.append((key, fingerprint))
        return super().claim(key, fingerprint, owner, **options)


def test_a_key_outlives_a_release(environ: dict[str, str], wire: Wire) -> None:
    """A release finds the keys of the one before it, which may run beside it; else it would send again."""
    store = WatchedStore()
    assert keyed(caller_of(environ, wire, store)).status_code == 200

    key = sha256(f'["{ISSUER}", "a-member", "{ACME}", "conversations.send_message", "order-1"]')
    content = sha256(f'["{ACME}", {{"body": {{"message_body": "Hello"}}, "conversation_id": "{CONVERSATION}"}}]')
    assert store.claimed == [(key, content)]
    assert wire.chats[0].headers["Idempotency-Key"] == sha256(f'["{key}", "{content}"]')


def test_a_key_in_quotes_is_the_same_key(caller: Caller) -> None:
    """The draft of the IETF writes it as a structured string."""
    keyed(caller, '"order-1"')
    assert keyed(caller, "order-1").headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"a', 'a"', "a b", "a,b", "a" * 256, "ä", "a/b", "a\tb", "'a'", '"a", "b"', "a;b"]
)
def test_a_key_that_is_none_is_refused(caller: Caller, wire: Wire, key: str) -> None:
    """400, not sent, nothing forwarded: the caller believes in a protection that it would not have."""
    answer = keyed(caller, key)

    assert (
        answer.status_code,
        answer.get_json()["code"],
        answer.headers["X-Send-Outcome"],
    ) == (400, "IDEMPOTENCY_KEY_INVALID", "not_sent")
    assert wire.chats == []


@pytest.mark.parametrize(
    "other",
    [{"json": {"message_body": "Bye"}}, {"conversation": OTHER_CONVERSATION}],
    ids=["text", "conversation"],
)
def test_a_key_used_for_another_message_is_refused(caller: Caller, wire: Wire, other: dict[str, Any]) -> None:
    """400 IDEMPOTENCY_KEY_REUSED; the first message stays the only one."""
    keyed(caller)
    answer = keyed(caller, **other)

    assert (answer.status_code, answer.get_json()["code"]) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert len(wire.chats) == 1


def test_a_body_that_cannot_be_read_claims_nothing(caller: Caller) -> None:
    """The body is judged before the key."""
    keyed(caller, data=b"{", content_type="application/json")
    assert keyed(caller).status_code == 200


@pytest.mark.parametrize("failure", [NothingSentError("refused"), reply(422), reply(404), reply(429)])
def test_not_sent_gives_the_key_back(caller: Caller, wire: Wire, failure: Any) -> None:
    """The same key sends when the cause is gone."""
    deliver = wire.answer_chat
    wire.answer_chat = lambda *_: failure
    refused = keyed(caller)
    wire.answer_chat = deliver

    assert refused.headers["X-Send-Outcome"] == "not_sent"
    assert keyed(caller).status_code == 200


def test_the_chat_service_gets_another_key_for_another_message(caller: Caller, wire: Wire) -> None:
    """It may remember a refusal, or what was sent a day ago, longer than the key is known here."""
    deliver = wire.answer_chat
    wire.answer_chat = lambda *_: reply(422)
    for _ in range(2):
        keyed(caller)
    wire.answer_chat = deliver
    keyed(caller, json={"message_body": "a better text"})

    first, repeated, corrected = (request.headers["Idempotency-Key"] for request in wire.chats)
    assert first == repeated != corrected


@pytest.mark.parametrize("failure", [NoAnswerError("reset"), reply(500), reply(200, {}), RuntimeError("bug")])
def test_an_unknown_outcome_is_never_sent_again(caller: Caller, wire: Wire, failure: Any) -> None:
    """Repeating it is answered the same, without a Retry-After, and nothing goes out."""
    wire.answer_chat = lambda *_: failure
    keyed(caller)
    again = keyed(caller)

    assert (
        again.status_code,
        again.get_json()["code"],
        again.headers["X-Send-Outcome"],
        again.headers.get("Retry-After"),
    ) == (500, "SEND_OUTCOME_UNKNOWN", "unknown", None)
    assert len(wire.chats) == 1


def test_a_key_is_one_users_in_one_company(caller: Caller, wire: Wire) -> None:
    """The same key of somebody else is another key."""
    keyed(caller)
    other = caller.send(
        "one-of-another-company", "0b0e0000-0000-4000-8000-00000000000b", headers={"Idempotency-Key": "order-1"}
    )

    assert (other.status_code, other.headers.get("Idempotent-Replayed")) == (200, None)
    assert len({request.headers["Idempotency-Key"] for request in wire.chats}) == 2


def test_the_chat_service_gets_one_stable_key(caller: Caller, wire: Wire) -> None:
    """All attempts under a key carry the same one; requests without a key each have their own."""
    answers: Iterator[Answered] = iter([NothingSentError("refused"), NothingSentError("refused"), reply(422)])
    wire.answer_chat = lambda *_: next(answers)
    keyed(caller)
    keyed(caller)
    stable = {request.headers["Idempotency-Key"] for request in wire.chats}
    wire.answer_chat = lambda *_: reply(422)
    caller.send()
    caller.send()

    assert len(stable) == 1
    assert len({request.headers["Idempotency-Key"] for request in wire.chats}) == 3
