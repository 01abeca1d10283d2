"""One key, one send: a request repeated under the same Idempotency-Key is never sent a second time.

(Except where the chat service honours keys itself, CHAT_SERVICE_DEDUPES, and the first outcome is unknown.)

A key is claimed before the first byte goes out, and the outcome of the send is recorded before the caller gets
its response. If the worker dies in between, the claim outlives it: once it lapses, the outcome counts as unknown.
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
    """The right to send once under `key`, a hash that is the same for every repeat of the request.

    `sent_as` is the key for the chat service. It also covers the content: `key` may be free here again, after a
    refusal or a day, while the chat service still remembers what was sent under it.

    `answer` is the first send's response if the key is done: nothing may be sent then. If this attempt `repeats` a
    send of unknown outcome, the message may be out whatever the outcome of this one.
    """

    key: str
    fingerprint: str
    owner: str
    sent_as: str
    answer: bytes | None = None
    repeats: bool = False


class Idempotency:
    """Grants the right to send under a key.

    `lease`, in seconds, is longer than any send takes: an older claim without an outcome belongs to a dead worker.
    With `dedupes`, the chat service honours keys itself, so a send of unknown outcome may be repeated.
    """

    def __init__(self, store: Store, *, lease: float, dedupes: bool) -> None:
        self._store = store
        self._lease = lease
        self._dedupes = dedupes

    def claim(self, key: str, content: object) -> Attempt:
        """Return the right to send `content` under this key, a hash, or the response of the first send.

        Raises IdempotencyKeyReusedError (known with other content), IdempotencyInProgressError,
        SendOutcomeUnknownError, or IdempotencyUnavailableError (no store: nothing may be sent).
        """
        owner, fingerprint = os.urandom(16).hex(), digest(content)
        mine = Attempt(key, fingerprint, owner, digest([key, fingerprint]))
        claim = self._claimed_first(mine)
        if claim.state is ClaimState.NEW:
            return mine
        repeats = self._dedupes and claim.state is ClaimState.UNKNOWN
        if repeats:
            claim = self._claimed_again(mine)
        if claim.state in _REFUSALS:
            raise _REFUSALS[claim.state]
        return Attempt(key, fingerprint, owner, mine.sent_as, claim.answer, repeats)

    def settle(self, attempt: Attempt, outcome: Outcome, answer: bytes) -> None:
        """Record the outcome of the attempt; `not_sent` releases the key.

        A failure is only logged, because the send is over: unless the store records it later, the claim lapses and
        the outcome counts as unknown.
        """
        try:
            self._store.settle(attempt.key, attempt.fingerprint, attempt.owner, outcome, answer)
        except Exception as error:  # noqa: BLE001 - nothing may turn a sent message into an error
            logger.warning(
                "outcome not recorded",
                extra={"key": attempt.key, "send_outcome": outcome, "exception": type(error).__name__},
            )

    def _claimed_first(self, mine: Attempt) -> Claim:
        """Claim a key; after an unforeseen error give it back, as the claim may be stored and nothing is sent."""
        try:
            return self._store.claim(mine.key, mine.fingerprint, mine.owner, lease=self._lease, again=False)
        except StoreLostError as error:
            raise IdempotencyUnavailableError from error
        except Exception:
            self.settle(mine, "not_sent", b"")
            raise

    def _claimed_again(self, mine: Attempt) -> Claim:
        """Claim a key of unknown outcome, which stays unknown if that fails."""
        try:
            return self._store.claim(mine.key, mine.fingerprint, mine.owner, lease=self._lease, again=True)
        except StoreLostError as error:
            raise SendOutcomeUnknownError from error
        except Exception as error:
            # The claim may be stored: a repeat need not wait until it lapses.
            self.settle(mine, "unknown", b"")
            told = {"key": mine.key, "exception": type(error).__name__}
            logger.error("key not claimed", extra=told)  # noqa: TRY400 - a traceback shows the error's text
            raise SendOutcomeUnknownError from error


def digest(parts: object) -> str:
    """Return a hash that is the same for the same parts and reveals nothing about them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
