"""The servers behind a store: a single one, the master that sentinels name, or the masters of a cluster.

redis-py gives its connections. Its clients and pools are not used, because their timeouts hold for a single read:
sentinels are asked in turn, and a lost node makes a cluster ask all others. Here all that a call needs shares one
deadline.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import redis
from redis.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError, NoScriptError

from app.stores.pool import Pool

Address = tuple[str, int]

LOST = (redis.RedisError, OSError)


@dataclass(slots=True)
class Call:
    """One call of the store: its deadline (`time.monotonic`), and whether it has asked the sentinels."""

    deadline: float
    has_asked: bool = False

    @property
    def left(self) -> float:
        """The seconds that are left; zero would make a socket non-blocking."""
        return max(0.001, self.deadline - time.monotonic())


class Servers:
    """The single server that is the first of `known`; its subclasses ask the known servers where keys are kept.

    `connect` makes a connection and does not connect it; this happens with the first call of a process. Methods
    raise one of LOST when the server that matters is dead, hangs or refuses.
    """

    def __init__(self, connect: Callable[[Address], AbstractConnection], known: Sequence[Address]) -> None:
        self._connect = connect
        self._known = known
        self._pools: dict[Address, Pool[AbstractConnection]] = {}
        # The address of the server for each slot, or the one for all keys.
        self._owners: Sequence[Address] = ()

    def run(self, call: Call, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401
        """The answer of `script`, in Lua, on `key`, from the server that keeps it.

        One round trip, or two on a server that does not know the script yet or does not keep the key any more.
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
            # A node that leaves out the host means its own.
            return self._ask((elsewhere.host or owner[0], elsewhere.port), call, ("ASKING",), command)

    def samples(self, call: Call, key: str) -> Iterable[str]:
        """Keys that begin with `key`, one for each server that keeps at least about a hundredth of all keys."""
        candidates = (f"{key}{{{number}}}" for number in range(1000))
        return {self._owner(call, candidate): candidate for candidate in candidates}.values()

    def first_answer(self, call: Call, *command: str) -> tuple[Address, Any]:
        """The first of the known servers that has an answer, and the answer.

        None of them can use up the time of the others, or of the call that needs the answer.
        """
        for number, address in enumerate(self._known):
            share = call.left / (len(self._known) - number + 1)
            with suppress(*LOST):
                if answer := self._ask(address, Call(time.monotonic() + share), command):
                    return address, answer
        raise redis.ConnectionError

    def forget(self) -> None:
        """Let go of idle connections, and of what is believed about the servers."""
        self._owners = ()
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _learn(self, call: Call) -> Sequence[Address]:  # noqa: ARG002 - for subclasses
        return self._known

    def _check(self, address: Address, call: Call) -> None:
        """Raise _ReplacedError if nobody should connect to this server now."""

    def _owner(self, call: Call, key: str) -> Address:
        owners = self._owners = self._owners or self._learn(call)
        return owners[key_slot(key.encode()) * len(owners) // REDIS_CLUSTER_HASH_SLOTS]

    def _ask(self, address: Address, call: Call, *commands: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """The answer to the last of `commands`, which are said one after the other on one connection."""
        new = Pool(partial(self._connect, address), AbstractConnection.disconnect)
        with self._pools.setdefault(address, new).lend() as connection:
            if connection.is_connected and _is_stale(connection):
                connection.disconnect()  # type: ignore[no-untyped-call]  # redis-py
            if not connection.is_connected:
                self._check(address, call)
            for command in commands:
                # A name may have two addresses, both of them dead.
                connection.socket_timeout, connection.socket_connect_timeout = call.left, call.left / 2
                connection.send_command(*command)  # type: ignore[no-untyped-call]  # redis-py
                answer = connection.read_response(timeout=call.left)
            return answer


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _is_stale(connection: AbstractConnection) -> bool:
    # If the server closed it while it was idle, there is an end of file to read.
    try:
        return connection.can_read()
    except LOST:
        return True


class _ReplacedError(redis.ConnectionError):
    """It was the master, and is no longer."""


class Sentinels(Servers):
    """The master of `service`, asked of the sentinels before each connection to it.

    A master that was replaced is read-only, and the sentinels close its connections (Redis, "Sentinel clients").
    But one that died, and comes back before the sentinels have told it, takes itself for the master.
    """

    def __init__(self, connect: Callable[[Address], AbstractConnection], sentinels: Servers, service: str) -> None:
        super().__init__(connect, ())
        self._sentinels = sentinels
        self._service = service

    def run(self, call: Call, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401
        """As `Servers.run`."""
        try:
            return super().run(call, script, key, *arguments)
        except _ReplacedError:
            # Nothing was said to it, and by now it is known who took its place.
            return super().run(call, script, key, *arguments)

    def _learn(self, call: Call) -> Sequence[Address]:
        command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        _, (host, port) = self._sentinels.first_answer(call, *command)
        self._sentinels.forget()
        call.has_asked = True
        return [(host.decode(), int(port))]

    def _check(self, address: Address, call: Call) -> None:
        if call.has_asked:
            return
        owners = self._learn(call)
        if owners != [address]:
            self.forget()
            self._owners = owners
            raise _ReplacedError


class Cluster(Servers):
    """The masters of the slots, asked of the known nodes once and again after each loss or move."""

    def _learn(self, call: Call) -> Sequence[Address]:
        asked, ranges = self.first_answer(call, "CLUSTER", "SLOTS")
        owners = [asked] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (host, port, *_), *_ in ranges:
            owner = (host.decode() if host else asked[0], port)
            owners[first : last + 1] = [owner] * (last - first + 1)
        return owners
