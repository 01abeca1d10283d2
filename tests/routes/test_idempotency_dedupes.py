"""CHAT_SERVICE_DEDUPES: an unknown outcome is sent again under its key, and is forgotten by no failure of that."""

import json
from typing import Any

import pytest

from app import create_app
from app.stores import Claim, StoreLostError
from app.stores.memory import MemoryStore
from app.upstream.transport import NoAnswerError, NothingSentError
from config.settings import load
from tests.conftest import Caller
from tests.documented import CheckedClient
from tests.people import ACME, CONVERSATION
from tests.routes.keyed import caller_of, keyed
from tests.wire import Wire, reply


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
