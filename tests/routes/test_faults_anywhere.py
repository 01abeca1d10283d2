"""Whatever line of the application fails while a message is sent, what is told of the message is true."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from unittest.mock import Mock

import pytest
from werkzeug.test import TestResponse

from app.stores.failover import FailoverStore
from app.stores.sqlite import SqliteStore
from app.stores.sqlite.log import LOG_BYTES
from app.upstream.transport import Transport
from tests.routes.faults import TAKES, Fault, Ground, Line, line
from tests.system.standins import Services

# A fault may leave a socket to Python, which closes it.
pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Fewer lines would not be a whole send.
MANY = 400


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
    for failing in whole.lines:
        ground.begin(number := next(numbers), outcome)
        first = ground.send(number, user.format(number), Fault(failing))
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
        yield from ((failing, it) for it in found)
