"""The store of several machines: a Redis or Valkey server, its sentinels, or a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError
from app.stores.keys import judge, lifetime
from app.stores.redis import deadline
from app.stores.redis.clients import LOST, Client
from app.stores.redis.scripts import CLAIM, HIT, KEY_PREFIX, SETTLE, WINDOW_PREFIX
from app.stores.window import SECOND, WIDTH, decide

CALL_SECONDS = 0.2
# A probe may have to find a new master among servers that do not answer, and nobody waits for it.
PROBE_SECONDS = 1.0

_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (redis.AuthenticationError, "refused the credential"),
    (redis.exceptions.NoPermissionError, "refused the credential"),
    (redis.TimeoutError, "no answer in time"),
    (redis.exceptions.OutOfMemoryError, "memory full"),
    (redis.exceptions.ReadOnlyError, "read-only"),
    (redis.exceptions.ClusterDownError, "cluster is down"),
    (redis.ResponseError, "refused"),
)


class RedisStore:
    """Windows and keys on the servers behind `client`; connects with the first call, also after a fork."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`; the clock is the server's."""
        with self._within(CALL_SECONDS):
            return self._hit(WINDOW_PREFIX + key, limit, window * SECOND)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; a failover to a replica that had not heard of a claim forgets it."""
        lapses, kept = lifetime(lease)
        with self._within(CALL_SECONDS):
            mine, same, state, lapsed, answer = self._client.run(
                CLAIM, KEY_PREFIX + key, fingerprint, owner, lapses, kept, int(again)
            )
        return judge(mine=bool(mine), same=bool(same), state=state.decode(), lapsed=bool(lapsed), answer=answer)

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`."""
        with self._within(CALL_SECONDS):
            self._client.run(SETTLE, KEY_PREFIX + key, owner, outcome, answer)

    def probe(self) -> None:
        """As `Store.probe`: a real hit on every master, because only a write meets a full or read-only one."""
        with self._within(PROBE_SECONDS):
            for key in self._client.reach(WINDOW_PREFIX + "(probe)"):
                self._hit(key, 1, SECOND)

    def close(self) -> None:
        """As `Store.close`."""
        self._client.drop()

    def _hit(self, key: str, limit: int, length: int) -> Decision:
        admitted, now, stamps = self._client.run(HIT, key, limit * WIDTH, length)
        return decide(admitted=bool(admitted), now=int(now), stamps=stamps.decode(), limit=limit, window=length)

    @contextmanager
    def _within(self, allowed: float) -> Iterator[None]:
        try:
            with deadline.seconds(allowed):
                yield
        except LOST as error:
            self._client.drop()
            raise StoreLostError(_word(error)) from error


def _word(error: Exception) -> str:
    return next((word for kind, word in _WORDS if isinstance(error, kind)), "unreachable")
