"""Where attacks are played: a service that logs all it can, callers by the thousand, and what nobody may learn."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypeVar

from tests.people import SECRET
from tests.system.clients import Answer, Connection
from tests.system.faults.stage import Report, Stage
from tests.system.servers import OURS, Kind, Server

Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")

PREVIOUS = "a previous secret of the tests, longer than 32 bytes"
CREDENTIALS = {"ACCOUNT_SERVICE_TOKEN": "canary-for-accounts", "CHAT_SERVICE_TOKEN": "canary-for-chat"}
# A user, a message and a key that nobody else may see.
PHONE = "+4915112345678"
USER = f"a-member-{PHONE}"
TEXT = f"canary-text, call {PHONE}"
KEY = "canary-key"
CANARIES = (SECRET, PREVIOUS, *CREDENTIALS.values(), PHONE, "canary-text", KEY)
# How each part of a JWT that is JSON begins, and all of one that is a signature here: `{"` in base64.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{6}")


def serve(stage: Stage, changes: Mapping[str, str] | None = None, kind: Kind = OURS) -> Server:
    """A started service at LOG_LEVEL=DEBUG whose limit is out of everybody's way."""
    usual = {"LOG_LEVEL": "DEBUG", "RATE_LIMIT": "1000000 per minute", **CREDENTIALS}
    return stage.serve(kind, **{**usual, **(changes or {})})


def secrets_in(text: str, signatures: Iterable[str] = ()) -> list[str]:
    """What of this nobody may learn: canaries, parts of tokens."""
    found = [canary for canary in (*CANARIES, *signatures) if canary in text]
    return found + ["a token"] * (_TOKEN.search(text) is not None)


def watched(
    scene: Callable[Concatenate[Stage, Arguments], Report],
) -> Callable[Concatenate[Stage, Arguments], Report]:
    """A scene after which all logs are searched for what may not be in them."""

    @wraps(scene)
    def playing(stage: Stage, /, *arguments: Arguments.args, **named: Arguments.kwargs) -> Report:
        report = scene(stage, *arguments, **named)
        logs = [path.read_text(encoding="utf-8") for path in stage.folder.glob("server-*/log")]
        found = [f"{secret} in the log" for log in logs for secret in secrets_in(log)]
        report.figures["lines of log, secrets in them"] = [sum(log.count("\n") for log in logs), len(found)]
        report.violations += found
        return report

    return playing


class Lane:
    """Requests one after the other, on one connection for as long as the service keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: Connection | None = None
        self.connections = 0

    def exchange(self, data: bytes, method: str = "POST") -> Answer:
        """Send these bytes and read the answer."""
        if self._connection is None:
            self._connection = Connection(self._port)
            self.connections += 1
        answer = self._connection.exchange(data, method)
        if answer.headers["Connection"] == "close":
            self.close()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_lanes(
    port: int, items: Sequence[Item], attack: Callable[[Lane, Item], Iterable[str]], lanes: int = 8
) -> list[str]:
    """What each attack found wrong, all of them divided among so many callers at once."""

    def drive(number: int) -> list[str]:
        with Lane(port) as lane:
            return [wrong for item in items[number::lanes] for wrong in attack(lane, item)]

    with ThreadPoolExecutor(lanes) as threads:
        return [wrong for found in threads.map(drive, range(lanes)) for wrong in found]
