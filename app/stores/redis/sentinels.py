"""The master that sentinels name."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.connection import AbstractConnection

from app.stores.redis.servers import LOST, Address, Call, Servers

# How long an open connection is taken to lead to the master.
BELIEVED_SECONDS = 1.0


class _ReplacedError(redis.ConnectionError):
    """The server is no longer the master."""


class Sentinels(Servers):
    """The master of `service`, looked up at the sentinels before each connection to it, and once a second.

    A replaced master is read-only, and the sentinels close its connections (Redis, "Sentinel clients"). But one
    that can be reached takes itself for the master until they reconfigure it, which they do some ten seconds
    after they name another: after SENTINEL FAILOVER, or if it died or hung and comes back.
    """

    def __init__(self, connect: Callable[[Address], AbstractConnection], sentinels: Servers, service: str) -> None:
        super().__init__(connect, ())
        self._sentinels = sentinels
        self._service = service
        self._believed_until = 0.0

    def run(self, call: Call, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401
        """Like `Servers.run`."""
        try:
            return super().run(call, script, key, *arguments)
        except _ReplacedError:
            # No command was sent to the old master, and by now the new one is known.
            return super().run(call, script, key, *arguments)

    def _learn(self, call: Call) -> Sequence[Address]:
        # Set first, so that one thread asks for all.
        self._believed_until = time.monotonic() + BELIEVED_SECONDS
        host, port = self._most_named(call)
        self._sentinels.forget()
        call.has_asked = True
        return [(host.decode(), int(port))]

    def _most_named(self, call: Call) -> tuple[bytes, bytes]:
        """Return the master that most sentinels name: one that was restarted knows only what it knew before."""
        named: Counter[tuple[bytes, bytes]] = Counter()
        for _, (host, port) in self._sentinels.answers(call, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service):
            named[host, port] += 1
            if 2 * named[host, port] > self._sentinels.count:
                break
        if not named:
            raise redis.ConnectionError
        return named.most_common(1)[0][0]

    def _check(self, address: Address, call: Call, *, is_open: bool) -> None:
        if call.has_asked or (is_open and time.monotonic() < self._believed_until):
            return
        owners = self._confirm(call, address) if is_open else self._learn(call)
        if owners != [address]:
            self.forget()
            self._owners = owners
            raise _ReplacedError

    def _confirm(self, call: Call, address: Address) -> Sequence[Address]:
        """Like `_learn`, in half of the time; sentinels that do not answer leave an open connection as it is."""
        call.has_asked = True
        try:
            return self._learn(Call(time.monotonic() + call.left / 2))
        except LOST:
            return [address]
