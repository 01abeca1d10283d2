"""Faults in one line of the application while it sends, and what may be told of the message then."""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

from werkzeug.test import TestResponse

import app as application
from app import create_app
from app.stores.failover import FailoverStore
from app.upstream.transport import Transport
from config.settings import load
from tests.people import ACME, bearer
from tests.system.behaviours import Behaviour, answers, closes, delivers
from tests.system.processes import PATIENCE
from tests.system.standins import Services

FOLDER = str(Path(application.__file__).parent)
Line = tuple[str, int]
_SETTINGS = {"THREADS": "2", "ACCOUNT_TIMEOUT_SECONDS": "0.5", "RATE_LIMIT": "10000 per second"}
# How the chat service takes a message: it has it, has refused it, or nobody knows.
TAKES: dict[str, Behaviour] = {"sent": delivers, "not_sent": answers(403), "unknown": closes}


class Fault:
    """A tracer (sys.settrace) that notes the `lines` of the application, and raises at the first visit of `line`.

    It leaves out what takes or releases something: a fault there, which only tracers and signals can cause, loses
    it in any Python.
    """

    def __init__(self, line: Line | None = None) -> None:
        self.lines: dict[Line, None] = {}
        self._line = line

    def __call__(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        code = frame.f_code
        if not code.co_filename.startswith(FOLDER) or code.co_name in {"__enter__", "__exit__"}:
            return None
        line = (code.co_filename, frame.f_lineno)
        if event == "line" and line not in self.lines and not getline(*line).lstrip().startswith("with "):
            self.lines[line] = None
            if line == self._line:
                raise MemoryError
        return self


class Ground:
    """Applications with one place for sends, on one store and the services behind."""

    def __init__(
        self, services: Services, environ: dict[str, str], store: FailoverStore, transport: Transport
    ) -> None:
        self._services, self.store = services, store
        self._made = partial(create_app, load({**environ, **_SETTINGS}), store=store, transport=transport)
        self._app = self._made()

    def begin(self, number: int, outcome: str) -> None:
        """Say what becomes of the message of that number; take the store again if it was lost before."""
        self._services.behaviours[conversation(number)] = TAKES[outcome]
        if self.store.degraded:
            self.store.close()
            self._app = self._made()

    def taken(self, number: int) -> int:
        """How often the chat service got the message."""
        return [entry.conversation_id for entry in self._services.ledger.entries].count(conversation(number))

    def send(self, number: int, user: str, fault: Fault | None = None) -> TestResponse | None:
        """Send the message, each under a key of its own; return None if the application raised."""
        found: list[TestResponse] = []
        asking = threading.Thread(target=self._ask, args=(number, user, fault, found), daemon=True)
        asking.start()
        asking.join(PATIENCE)
        assert not asking.is_alive(), "it waits for ever"
        return found[0] if found else None

    def _ask(self, number: int, user: str, fault: Fault | None, found: list[TestResponse]) -> None:
        headers = {**bearer(user), "Idempotency-Key": f"key-{number}"}
        path, document = f"/v1/send-message/{ACME}/{conversation(number)}", {"message_body": "Hello"}
        before = sys.gettrace()
        sys.settrace(fault or before)
        try:
            # Some faults come out as another one.
            with suppress(Exception):
                found.append(self._app.test_client().post(path, json=document, headers=headers))
        finally:
            sys.settrace(before)


def conversation(number: int) -> str:
    return f"b2c3d4e5-f6a7-8901-bcde-{number:012x}"


def line(module: str, text: str) -> Line:
    """Return the line of the application that reads so."""
    path = Path(FOLDER, module)
    [number] = [n for n, written in enumerate(path.read_text().splitlines(), 1) if written.strip() == text]
    return str(path), number
