"""A key whose store is lost or full, or fails on the way: nothing is sent twice or told wrongly."""

import json
from typing import Any

import pytest

from app.stores import Claim, StoreLostError
from app.stores.memory import MemoryStore
from tests.routes.keyed import caller_of, keyed
from tests.wire import Wire


class KeylessStore(MemoryStore):
    """A store whose keys are lost."""

    def claim(self, *_: Any, **__: Any) -> Any:
        raise StoreLostError("lost")


class ForgetfulStore(MemoryStore):
    """A store that fails between the claim and the record."""

    failure: Exception = StoreLostError("lost")

    def settle(self, *_: Any, **__: Any) -> None:
        raise self.failure


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


def test_a_store_full_of_keys_keeps_its_windows(environ: dict[str, str], wire: Wire) -> None:
    """Keys are refused then; the limit holds, with and without them."""
    caller = caller_of(environ, wire, MemoryStore(most_keys=1))
    statuses = [keyed(caller, f"order-{n}").status_code if n % 2 else caller.send().status_code for n in range(40)]

    assert statuses[30:] == [429] * 10
