"""The store of several machines: a Redis or Valkey server, its sentinels, or a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from app.stores import Decision, StoreLostError
from app.stores.redis import deadline
from app.stores.redis.clients import LOST, Client
from app.stores.redis.scripts import HIT, WINDOW_PREFIX
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
    """Windows on the servers behind `client`; nothing is connected before the first hit, or after a fork."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`; the clock is the server's."""
        with self._within(CALL_SECONDS):
            return self._hit(WINDOW_PREFIX + key, limit, window * SECOND)

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
