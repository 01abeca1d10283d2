"""Idempotency-Key on a route that sends, in process."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.stores import Claim, StoreLostError
from app.stores.memory import MemoryStore
from app.upstream.transport import NoAnswerError, NothingSentError
from config.settings import load
from tests.conftest import Caller
from tests.documented import CheckedClient
from tests.people import ACME, CONVERSATION, ISSUER
from tests.wire import Answer as Answered
from tests.wire import Wire, reply

OTHER_CONVERSATION = "c2c3d4e5-f6a7-8901-bcde-f12345678902"


def keyed(caller: Caller, key: str = "order-1", **request: Any) -> Any:
    return caller.send(headers={"Idempotency-Key": key}, **request)


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


class KeylessStore(MemoryStore):
    """A store whose keys are lost."""

    def claim(self, *_: Any, **__: Any) -> Any:
        raise StoreLostError("lost")


class ForgetfulStore(MemoryStore):
    """A store that fails between the claim and the record."""

    failure: Exception = StoreLostError("lost")

    def settle(self, *_: Any, **__: Any) -> None:
        raise self.failure


def caller_of(environ: dict[str, str], wire: Wire, store: MemoryStore) -> Caller:
    app: Flask = create_app(load(environ), transport=wire, store=store)
    return Caller(CheckedClient(app))


def test_without_a_store_a_key_cannot_be_honoured(environ: dict[str, str], wire: Wire) -> None:
    """500 IDEMPOTENCY_UNAVAILABLE, not sent; without a key sends go on."""
    caller = caller_of(environ, wire, KeylessStore())
    answer = keyed(caller)

    assert (
        answer.status_code,
        answer.get_json()["code"],
        answer.headers["X-Send-Outcome"],
    ) == (500, "IDEMPOTENCY_UNAVAILABLE", "not_sent")
    assert int(answer.headers["Retry-After"]) >= 1
    assert wire.chats == []
    assert caller.send().status_code == 200


@pytest.mark.parametrize("failure", [StoreLostError("lost"), ValueError("a bug")])
def test_a_store_lost_after_the_send_does_not_unsend_it(
    environ: dict[str, str], wire: Wire, failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """200, and the key stays claimed: who repeats it is not the cause of a second message. The log has its end."""
    store = ForgetfulStore()
    store.failure = failure
    caller = caller_of(environ, wire, store)

    assert keyed(caller).status_code == 200
    (line,) = [it for it in capsys.readouterr().err.splitlines() if '"event":"outcome not recorded"' in it]
    told = json.loads(line)
    assert (told["send_outcome"], told["exception"], len(told["key"])) == ("sent", type(failure).__name__, 64)
    assert keyed(caller).get_json()["code"] == "IDEMPOTENCY_IN_PROGRESS"
    assert len(wire.chats) == 1


def test_a_claim_that_fails_gives_the_key_back(environ: dict[str, str], wire: Wire) -> None:
    """An unforeseen error after the claim was stored: it is told as not sent, so the repeat sends the message."""

    class Failing(MemoryStore):
        failures = 1

        def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
            claim = super().claim(key, fingerprint, owner, lease=lease, again=again)
            self.failures -= 1
            if self.failures == 0:
                raise MemoryError
            return claim

    caller = caller_of(environ, wire, Failing())
    first = keyed(caller)

    assert (first.get_json()["code"], first.headers["X-Send-Outcome"]) == ("INTERNAL_ERROR", "not_sent")
    assert (keyed(caller).status_code, len(wire.chats)) == (200, 1)


def test_a_key_that_cannot_be_read_is_not_given_back(environ: dict[str, str], wire: Wire) -> None:
    """The same error where another request has sent under the key: its answer is still there."""

    class Failing(MemoryStore):
        claims = 0

        def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
            self.claims += 1
            if self.claims == 2:
                raise MemoryError
            return super().claim(key, fingerprint, owner, lease=lease, again=again)

    caller = caller_of(environ, wire, Failing())
    answers = [keyed(caller) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert (answers[0].data, len(wire.chats)) == (answers[2].data, 1)


def test_an_unknown_outcome_is_sent_again_where_the_chat_service_dedupes(
    environ: dict[str, str], wire: Wire
) -> None:
    """CHAT_SERVICE_DEDUPES: the same key goes out again, and its answer is then kept."""
    caller = Caller(CheckedClient(create_app(load({**environ, "CHAT_SERVICE_DEDUPES": "true"}), transport=wire)))
    deliver = wire.answer_chat
    wire.answer_chat = lambda *_: NoAnswerError("reset")
    keyed(caller)
    wire.answer_chat = deliver

    assert [keyed(caller).status_code for _ in range(2)] == [200, 200]
    assert [f"http://chat.test/api/send-message/{ACME}/{CONVERSATION}"] * 2 == [r.url for r in wire.chats]
    assert len({request.headers["Idempotency-Key"] for request in wire.chats}) == 1


@pytest.mark.parametrize("refusal", [reply(429), reply(409), NothingSentError("refused")])
def test_a_repetition_that_is_refused_forgets_nothing(environ: dict[str, str], wire: Wire, refusal: Any) -> None:
    """The first message may be out: its outcome stays unknown, and the key is not given back for another text."""
    caller = Caller(CheckedClient(create_app(load({**environ, "CHAT_SERVICE_DEDUPES": "true"}), transport=wire)))
    deliver = wire.answer_chat
    wire.answer_chat = lambda *_: NoAnswerError("reset")
    keyed(caller)
    wire.answer_chat = lambda *_: refusal
    answer = keyed(caller)
    wire.answer_chat = deliver

    assert (answer.get_json()["code"], answer.headers["X-Send-Outcome"]) == ("SEND_OUTCOME_UNKNOWN", "unknown")
    assert "Retry-After" not in answer.headers
    other = keyed(caller, json={"message_body": "Another text"})
    assert other.get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert keyed(caller).status_code == 200


def test_a_repetition_that_finds_no_store_forgets_nothing(
    environ: dict[str, str], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store has just told that the first message may be out, and is lost before the key is claimed again.

    The store has told of that: the log has no further line for each request.
    """

    class LostInBetween(MemoryStore):
        def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
            if again:
                raise StoreLostError("gone")
            return super().claim(key, fingerprint, owner, lease=lease, again=again)

    caller = caller_of({**environ, "CHAT_SERVICE_DEDUPES": "true"}, wire, LostInBetween())
    wire.answer_chat = lambda *_: NoAnswerError("reset")
    keyed(caller)
    answer = keyed(caller)

    assert (answer.get_json()["code"], answer.headers["X-Send-Outcome"]) == ("SEND_OUTCOME_UNKNOWN", "unknown")
    assert "Retry-After" not in answer.headers
    assert "key not claimed" not in capsys.readouterr().err
    assert len(wire.chats) == 1


def test_a_repetition_whose_claim_fails_forgets_nothing(
    environ: dict[str, str], wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen error after the key was claimed again: its message may be out, and alone may be repeated."""

    class Failing(MemoryStore):
        failures = 1

        def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
            claim = super().claim(key, fingerprint, owner, lease=lease, again=again)
            self.failures -= again
            if again and self.failures == 0:
                raise MemoryError
            return claim

    caller = caller_of({**environ, "CHAT_SERVICE_DEDUPES": "true"}, wire, Failing())
    deliver = wire.answer_chat
    wire.answer_chat = lambda *_: NoAnswerError("reset")
    keyed(caller)
    wire.answer_chat = deliver
    answer = keyed(caller)

    assert (answer.get_json()["code"], answer.headers["X-Send-Outcome"]) == ("SEND_OUTCOME_UNKNOWN", "unknown")
    assert "Retry-After" not in answer.headers
    (line,) = [it for it in capsys.readouterr().err.splitlines() if '"event":"key not claimed"' in it]
    assert (json.loads(line)["exception"], len(json.loads(line)["key"])) == ("MemoryError", 64)
    other = keyed(caller, json={"message_body": "Another text"})
    assert other.get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert (keyed(caller).status_code, len(wire.chats)) == (200, 2)


def test_a_store_full_of_keys_keeps_its_windows(environ: dict[str, str], wire: Wire) -> None:
    """Keys are refused then; the limit holds, with and without them."""
    caller = caller_of(environ, wire, MemoryStore(most_keys=1))
    statuses = [keyed(caller, f"order-{n}").status_code if n % 2 else caller.send().status_code for n in range(40)]

    assert statuses[30:] == [429] * 10
