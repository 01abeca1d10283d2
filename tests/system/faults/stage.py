"""Where a scene plays: services in front of a chat service that misbehaves as told, and callers."""

import http.client
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Self

from tests.system.clients import Answer, Connection, Request, sending
from tests.system.faults.catalogue import DELIVERS, Fault, catalogue
from tests.system.faults.doors import Door
from tests.system.faults.laboratory import Laboratory
from tests.system.processes import PATIENCE
from tests.system.servers import OURS, Kind, Server, settings
from tests.system.standins import Services

CHAT_SECONDS = 1.0
# The chat service's time where every send is to succeed, however busy the machine is.
PATIENT = {"CHAT_TIMEOUT_SECONDS": "10"}
# What app.factory adds to it for a claim.
LEASE_SECONDS = CHAT_SECONDS + 5
_USERS = 200


@dataclass(frozen=True, slots=True)
class Message:
    """One message of one user in a conversation of its own, under its own key, and what will be done to it."""

    number: int
    faults: tuple[str, ...] = ()
    codes: frozenset[str] = DELIVERS.codes
    letters: int = 10

    @property
    def conversation(self) -> str:
        """The id of its conversation, which no other message has."""
        return f"{self.number:08x}-0000-4000-8000-000000000000"

    def request(self, **headers: str) -> Request:
        """The request that sends it; `_` in names of headers stands for `-`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        user = f"a-member-{self.number % _USERS}"
        text = f"{self.number} ".ljust(self.letters, "x")
        return sending(user, conversation=self.conversation, text=text, headers=given)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request for a message; no answer means that its caller gave up, or was hung up on."""

    message: Message
    request_id: str
    answer: Answer | None
    keyed: bool = False
    ended: float = field(default_factory=monotonic)

    @property
    def code(self) -> str:
        """The code of its error, `sent`, `replayed`, or `nothing`."""
        if self.answer is None:
            return "nothing"
        if self.answer.status != 200:
            return str(self.answer.code)
        return "replayed" if "Idempotent-Replayed" in self.answer.headers else "sent"


@dataclass
class Report:
    """What a scene has measured, and every promise that it saw broken."""

    title: str
    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.figures.items()]
        lines.append(f"VIOLATIONS: {len(self.violations)}")
        lines += [f"  {kind} (x {times})" for kind, times in Counter(self.violations).most_common(20)]
        return "\n  ".join([f"== {self.title}", *lines])


def hold(report: Report) -> None:
    """No promise was broken."""
    print(report)  # noqa: T201 - figures for those who look
    assert report.violations == []


class Stage:
    """For one `with` block; every server that it serves is gone after it. `random` is seeded."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - chooses faults
        self.services = Services()
        self.ledger = self.services.ledger
        self.laboratory = Laboratory(self.ledger, DELIVERS.act)
        self.trap = Door(lambda _: self.trapped.append(1))
        self.trapped: list[int] = []
        self.faults = catalogue(f"http://127.0.0.1:{self.trap.port}/")
        self._every = {name: fault for group in self.faults.values() for name, fault in group.items()}
        self._every["delivers"] = DELIVERS
        self._numbers, self._requests, self._servers = count(1), count(1), count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for part in (self.services, self.trap, self.laboratory):
            self._stack.enter_context(part)
        self.trap.open()
        return self

    def __exit__(self, *arguments: object) -> None:
        self._stack.close()

    def enter(self, laboratory: Laboratory) -> Laboratory:
        """Another chat service, for as long as the stage lasts."""
        return self._stack.enter_context(laboratory)

    def serve(self, kind: Kind = OURS, **changes: str) -> Server:
        """A started service in front of the laboratory; its limit is out of everybody's way."""
        server = self.prepare(kind, **changes)
        return server.start(None if kind is OURS else 2)

    def prepare(self, kind: Kind = OURS, **changes: str) -> Server:
        """The same, not started."""
        folder = self.folder / f"server-{next(self._servers)}"
        environ = settings(self.services, folder) | {
            "CHAT_SERVICE_URL": self.laboratory.url,
            "CHAT_TIMEOUT_SECONDS": str(CHAT_SECONDS),
            "RATE_LIMIT": "2000 per minute",
            "LOG_LEVEL": "WARNING",
            **changes,
        }
        server = Server(folder, environ, kind)
        self._stack.callback(server.close)
        return server

    def message(self, *faults: str) -> Message:
        """A new message; its first requests at the laboratory meet these faults."""
        planned = [self._every[name] for name in faults]
        letters = max((fault.letters for fault in planned), default=10)
        message = Message(next(self._numbers), faults, _codes(planned), letters)
        if planned:
            self.laboratory.plan(message.conversation, [fault.act for fault in planned])
        return message

    def send(self, port: int, message: Message, *, keyed: bool = False, patience: float = PATIENCE) -> Attempt:
        """One request for it, on a connection of its own; its caller waits so many seconds for each byte."""
        request_id = f"{message.number}.{next(self._requests)}"
        key = {"Idempotency_Key": f"key-{message.number}"} if keyed else {}
        try:
            with Connection(port) as connection:
                connection.socket.settimeout(patience)
                answer = connection.ask(message.request(X_Request_ID=request_id, **key))
        except (OSError, http.client.HTTPException):
            return Attempt(message, request_id, None, keyed)
        return Attempt(message, request_id, answer, keyed)


def _codes(faults: Sequence[Fault]) -> frozenset[str]:
    return frozenset().union(*(fault.codes for fault in faults)) if faults else DELIVERS.codes
