"""One key, one send: a request repeated under the same Idempotency-Key is never sent a second time.

(But where the chat service honours keys itself, CHAT_SERVICE_DEDUPES, and the first outcome is unknown.)

A key is claimed before the first byte goes out. What became of the send is recorded before the caller is
answered; if its worker dies between the two, the claim outlives it, and whoever asks is told that the outcome
is unknown.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass

from app.errors import (
    IdempotencyInProgressError,
    IdempotencyKeyReusedError,
    IdempotencyUnavailableError,
    Outcome,
    SendOutcomeUnknownError,
    ServiceError,
)
from app.stores import Claim, ClaimState, Store, StoreLostError

logger = logging.getLogger(__name__)

_REFUSALS: dict[ClaimState, type[ServiceError]] = {
    ClaimState.REUSED: IdempotencyKeyReusedError,
    ClaimState.IN_PROGRESS: IdempotencyInProgressError,
    ClaimState.UNKNOWN: SendOutcomeUnknownError,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to send once under `key`, a hash that is the same for every repetition.

    `sent_as` is what the chat service is told instead. It says what is sent, too: the key may be free here again,
    after a refusal or a day, while the chat service still has what went out under it before.

    `answer` is that of the first send, if the key is done: then nothing may be sent. Where it `repeats` a send of
    unknown outcome, the message may be out whatever becomes of this one.
    """

    key: str
    owner: str
    sent_as: str
    answer: bytes | None = None
    repeats: bool = False


class Idempotency:
    """Hands out the right to send under a key.

    `lease` is in seconds, longer than any send takes: an older claim without a record belongs to a worker that
    died. With `dedupes` the chat service honours keys itself, so an unknown outcome may be sent again.
    """

    def __init__(self, store: Store, *, lease: float, dedupes: bool) -> None:
        self._store = store
        self._lease = lease
        self._dedupes = dedupes

    def claim(self, key: str, content: object) -> Attempt:
        """The right to send `content` under this key, a hash, or the answer that the first send got.

        Raises IdempotencyKeyReusedError (known with other content), IdempotencyInProgressError,
        SendOutcomeUnknownError, or IdempotencyUnavailableError (no store: nothing may be sent).
        """
        owner, fingerprint = os.urandom(16).hex(), digest(content)
        claim = self._claimed(key, fingerprint, owner, again=False)
        repeats = self._dedupes and claim.state is ClaimState.UNKNOWN
        if repeats:
            claim = self._claimed_again(key, fingerprint, owner)
        if claim.state in _REFUSALS:
            raise _REFUSALS[claim.state]
        return Attempt(key, owner, digest([key, fingerprint]), claim.answer, repeats)

    def settle(self, attempt: Attempt, outcome: Outcome, answer: bytes) -> None:
        """Record what became of the attempt; `not_sent` gives the key back.

        A failure is only logged, because the send is over: the claim then runs out and the outcome counts as
        unknown.
        """
        try:
            self._store.settle(attempt.key, attempt.owner, outcome, answer)
        except Exception as error:  # noqa: BLE001 - nothing may turn a sent message into an error
            logger.warning(
                "outcome not recorded",
                extra={"key": attempt.key, "send_outcome": outcome, "exception": type(error).__name__},
            )

    def _claimed_again(self, key: str, fingerprint: str, owner: str) -> Claim:
        """A claim on a key of unknown outcome, which stays so where there is no store any more."""
        try:
            return self._claimed(key, fingerprint, owner, again=True)
        except IdempotencyUnavailableError as error:
            raise SendOutcomeUnknownError from error

    def _claimed(self, key: str, fingerprint: str, owner: str, *, again: bool) -> Claim:
        try:
            return self._store.claim(key, fingerprint, owner, lease=self._lease, again=again)
        except StoreLostError as error:
            raise IdempotencyUnavailableError from error


def digest(parts: object) -> str:
    """The same hash for the same parts, of which it tells nothing."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
