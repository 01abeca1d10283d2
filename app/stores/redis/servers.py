"""The servers behind a store: a single one, or the masters of a cluster.

redis-py provides the connections. Its clients and pools are not used, because their timeouts hold for a single
read: sentinels are asked in turn, and a lost node makes a cluster client ask all others. Here everything that a
call needs shares one deadline.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import redis
from redis.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError, NoScriptError, ResponseError

from app.stores.pool import Pool

Address = tuple[str, int]

LOST = (redis.RedisError, OSError)


@dataclass(slots=True)
class Call:
    """One store call: its deadline (`time.monotonic`), and whether it has asked the sentinels."""

    deadline: float
    has_asked: bool = False

    @property
    def left(self) -> float:
        """Seconds left, never zero: that would make a socket non-blocking."""
        return max(0.001, self.deadline - time.monotonic())


class Servers:
    """The single server in `known`; subclasses ask the known servers which servers keep the keys.

    `connect` creates a connection without opening it; it opens with the first call of a process. Methods raise one
    of LOST if the server that matters is dead, hangs or refuses.
    """

    def __init__(self, connect: Callable[[Address], AbstractConnection], known: Sequence[Address]) -> None:
        self._connect = connect
        self._known = known
        self.count = len(known)
        self._pools: dict[Address, Pool[AbstractConnection]] = {}
        # The address of the server for each slot, or of the one server for all keys.
        self._owners: Sequence[Address] = ()

    def run(self, call: Call, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401
        """Run the Lua `script` on the server that keeps `key`, and return its reply.

        One round trip, or two if the server does not know the script yet or does not keep the key any more.
        """
        owner = self._owner(call, key)
        command = ("EVAL", script, 1, key, *arguments)
        try:
            return self._ask(owner, call, ("EVALSHA", _sha(script), 1, key, *arguments))
        except NoScriptError:
            return self._ask(owner, call, command)
        except AskError as elsewhere:
            if isinstance(elsewhere, MovedError):
                self._owners = ()
            # A node that omits the host means its own.
            return self._ask((elsewhere.host or owner[0], elsewhere.port), call, ("ASKING",), command)

    def samples(self, call: Call, key: str) -> Iterable[str]:
        """Return keys that begin with `key`, one per server that keeps at least about a hundredth of all keys."""
        # A cluster hashes what stands in braces (Redis Cluster specification, "Hash tags").
        candidates = (f"{key}{{{number}}}" for number in range(1000))
        return {self._owner(call, candidate): candidate for candidate in candidates}.values()

    def answers(self, call: Call, *command: str) -> Iterator[tuple[Address, Any]]:
        """Yield each known server that replies with a value, and the reply.

        Each gets a share of the time left: none can use up that of the others, or of the call itself.
        """
        for number, address in enumerate(self._known):
            share = call.left / (len(self._known) - number + 1)
            answer = None
            with suppress(*LOST):
                answer = self._ask(address, Call(time.monotonic() + share), command)
            if answer:
                yield address, answer

    def forget(self) -> None:
        """Close idle connections and drop what is known about the servers."""
        self._owners = ()
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _learn(self, call: Call) -> Sequence[Address]:  # noqa: ARG002 - for subclasses
        return self._known

    def _check(self, address: Address, call: Call, *, is_open: bool) -> None:
        """Raise one of LOST if this server must not be asked now, on an open connection or a new one."""

    def _owner(self, call: Call, key: str) -> Address:
        owners = self._owners = self._owners or self._learn(call)
        return owners[key_slot(key.encode()) * len(owners) // REDIS_CLUSTER_HASH_SLOTS]

    def _ask(self, address: Address, call: Call, *commands: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Send `commands` one after the other on one connection, and return the reply to the last."""
        new = Pool(partial(self._connect, address), AbstractConnection.disconnect)
        with self._pools.setdefault(address, new).lend() as connection:
            if connection.is_connected and _is_stale(connection):
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py
            self._check(address, call, is_open=connection.is_connected)
            try:
                for command in commands:
                    # Half for connecting: a name may have two addresses, both of them dead.
                    connection.socket_timeout, connection.socket_connect_timeout = call.left, call.left / 2
                    connection.send_command(*command)  # type: ignore[no-untyped-call]  # redis-py
                    answer = connection.read_response(timeout=call.left)
            except ResponseError as refusal:
                # It leaves the connection usable: it is raised where the pool does not see it.
                answer = refusal
        if isinstance(answer, ResponseError):
            raise answer
        return answer


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _is_stale(connection: AbstractConnection) -> bool:
    # A connection that the server closed while it was idle has an end of file to read.
    try:
        return connection.can_read()
    except LOST:
        return True


class Cluster(Servers):
    """The masters of the slots, looked up at the known nodes once, and again after each loss or move."""

    def _learn(self, call: Call) -> Sequence[Address]:
        asked, ranges = next(self.answers(call, "CLUSTER", "SLOTS"), (None, ()))
        if asked is None:
            raise redis.ConnectionError
        owners = [asked] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (host, port, *_), *_ in ranges:
            owner = (host.decode() if host else asked[0], port)
            owners[first : last + 1] = [owner] * (last - first + 1)
        return owners
