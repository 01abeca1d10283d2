"""Whatever line of the application fails while a message is sent, what is told of the message is true."""

import errno
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import Mock

import pytest
from werkzeug.test import TestResponse

import app as application
from app import create_app
from app.stores.failover import FailoverStore
from app.stores.sqlite import SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from app.upstream.transport import Transport
from config.settings import load
from tests.people import ACME, bearer
from tests.system.behaviours import Behaviour, answers, closes, delivers
from tests.system.processes import PATIENCE
from tests.system.standins import Services

# A fault may leave a socket to Python, which closes it.
pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FOLDER = str(Path(application.__file__).parent)
Line = tuple[str, int]
# Fewer lines would not be a whole send.
MANY = 400
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


@pytest.fixture
def ground(environ: dict[str, str], tmp_path: Path) -> Iterator[Ground]:
    store = FailoverStore(SqliteStore(str(tmp_path / "state")), 1)
    with Services() as services, closing(store), closing(Transport()) as transport:
        urls = {"ACCOUNT_SERVICE_URL": services.account_url, "CHAT_SERVICE_URL": services.chat_url}
        yield Ground(services, {**environ, **urls}, store, transport)


def untruths(answer: TestResponse | None, *, outcome: str, taken: int) -> Iterator[str]:
    """What is not true of an answer about a message that the chat service has taken so often, to this end."""
    if answer is None:
        return
    told, document = answer.headers.get("X-Send-Outcome"), answer.get_json(silent=True)
    if (told == "sent" or answer.status_code == HTTPStatus.OK) and (outcome != "sent" or not taken):
        yield "it is told to be sent"
    if (told == "not_sent" or "Retry-After" in answer.headers) and taken and outcome != "not_sent":
        yield "it is told not to be sent"
    if document is None or (answer.status_code == HTTPStatus.OK) != ("data" in document):
        yield f"an answer without its document: {answer.status} {answer.data!r}"


@pytest.mark.parametrize("outcome", TAKES)
def test_every_line(outcome: str, ground: Ground) -> None:
    """Nobody is told that a message was sent that was not, or the other way round.

    A repeat sends it no second time, nobody waits for ever, and place, connection and store serve the next one.
    """
    assert list(wrongs(ground, outcome, "a-member")) == []


def test_every_line_of_a_lookup(ground: Ground) -> None:
    """The same, where the account service has to be asked first."""
    assert list(wrongs(ground, "sent", "a-member-{}")) == []


def test_an_answer_that_is_lost(ground: Ground) -> None:
    """A message that was sent is told as sent, though its answer is lost; a repeat is told that nobody knows."""
    ground.begin(1, "sent")
    lost = Fault(line("web/sending.py", "answer = response.get_data()"))
    assert told(ground.send(1, "a-member", lost)) == (500, "INTERNAL_ERROR", "sent")
    assert told(ground.send(1, "a-member")) == (500, "SEND_OUTCOME_UNKNOWN", "unknown")
    assert ground.taken(1) == 1


@pytest.mark.parametrize(
    ("failing", "next_one"),
    [
        # Nobody asks the account service any more; the next one waits for as long as its answer may take.
        ("self._settle(user, question, correlation)", (500, "ACCOUNT_SERVICE_UNAVAILABLE", "not_sent")),
        ("self._known[user] = (expires, accounts, size)", (200, None, "sent")),
    ],
)
def test_a_lookup_that_fails(failing: str, next_one: tuple[int, str | None, str], ground: Ground) -> None:
    """It fails for those who wait for it, who are told that nothing was sent, and not for those who come later."""
    for number in 1, 2, 3:
        ground.begin(number, "sent")
    fault = Fault(line("accounts.py", failing))
    assert told(ground.send(1, "a-member", fault)) == (500, "INTERNAL_ERROR", "not_sent")
    assert told(ground.send(2, "a-member")) == next_one
    assert told(ground.send(3, "a-member")) == (200, None, "sent")


def test_a_log_of_the_store_that_does_not_get_to_its_file(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The store can be written all the same: it is not lost, a message is sent, and its key is kept."""
    monkeypatch.setattr(os, "fdatasync", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
    for number in range(3 * LOG_BYTES // 4096):
        ground.store.hit(f"user:{number}", 30, 60)
    ground.begin(1, "sent")
    assert told(ground.send(1, "a-member")) == (200, None, "sent")
    assert told(ground.send(1, "a-member")) == (200, None, "sent")
    assert ground.taken(1) == 1
    assert [it.message.partition(":")[0] for it in caplog.records if "store" in it.message] == [
        "store log not shortened"
    ]


def line(module: str, text: str) -> Line:
    """Return the line of the application that reads so."""
    path = Path(FOLDER, module)
    [number] = [n for n, written in enumerate(path.read_text().splitlines(), 1) if written.strip() == text]
    return str(path), number


def told(answer: TestResponse | None) -> tuple[int, str | None, str | None]:
    """Return the status, the code and the outcome of an answer."""
    assert answer is not None
    return answer.status_code, answer.get_json().get("code"), answer.headers.get("X-Send-Outcome")


def wrongs(ground: Ground, outcome: str, user: str) -> Iterator[tuple[Line, str]]:
    """What is wrong after a fault in each line."""
    whole, numbers = Fault(), itertools.count(1)
    for fault in None, whole:
        ground.begin(number := next(numbers), outcome)
        ground.send(number, user.format(number), fault)
    assert len(whole.lines) > MANY
    for line in whole.lines:
        ground.begin(number := next(numbers), outcome)
        first = ground.send(number, user.format(number), Fault(line))
        found = [*untruths(first, outcome=outcome, taken=ground.taken(number))]
        again = ground.send(number, user.format(number))
        if ground.taken(number) > 1 and outcome != "not_sent":
            found.append("it is sent twice")
        if again is not None and again.status_code == HTTPStatus.OK:
            found += untruths(again, outcome=outcome, taken=ground.taken(number))
        ground.begin(number := next(numbers), "sent")
        last = ground.send(number, user.format(number))
        if last is None or last.status_code != HTTPStatus.OK:
            found.append(f"the next one is not served: {last and last.data!r}")
        yield from ((line, it) for it in found)
