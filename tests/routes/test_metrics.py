"""What is counted of requests, their stages and how things stand; the log tells the same."""

import errno
import io
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.stores import StoreLostError
from app.stores.failover import FailoverStore
from app.stores.memory import MemoryStore
from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.application import Application
from config.settings import load
from tests.conftest import Caller
from tests.documented import CheckedClient
from tests.people import CONVERSATION, GLOBEX, NOWHERE
from tests.routes.seen import ROUTE, Heard, by_label, counted
from tests.wire import Answer, Wire, reply, sent_message

ENDS: dict[tuple[str, str], Callable[[str, dict[str, Any]], Answer]] = {
    ("sent", "accepted"): lambda _, document: reply(200, sent_message(CONVERSATION, document["message_body"])),
    ("not_sent", "refused"): lambda *_: NothingSentError("refused"),
    ("not_sent", "MESSAGE_REJECTED"): lambda *_: reply(422),
    ("not_sent", "status_4xx"): lambda *_: reply(409),
    ("unknown", "deadline"): lambda *_: NoAnswerError("deadline"),
    ("unknown", "status_5xx"): lambda *_: reply(503),
    ("unknown", "status_3xx"): lambda *_: reply(307),
    ("unknown", "invalid_answer"): lambda *_: reply(200, {}),
    ("unknown", "other_conversation"): lambda *_: reply(200, sent_message(NOWHERE, "Hello")),
}


@pytest.mark.parametrize("end", ENDS, ids="-".join)
def test_every_end_has_its_reason(
    caller: Caller, wire: Wire, app: Flask, lines: Heard, end: tuple[str, str]
) -> None:
    """The same in the log and in the metrics, where each answer counts once."""
    wire.answer_chat = ENDS[end]
    answer = caller.send()
    [line] = lines
    assert (line["send_outcome"], line["reason"]) == end
    assert counted(app, "sends_total", outcome=end[0], reason=end[1]) == 1
    code = line["code"] or "none"
    told = {"method": "POST", "route": ROUTE, "status": str(answer.status_code), "code": code}
    assert counted(app, "requests_total", **told) == 1
    assert line["level"] == ("WARNING" if answer.status_code >= 500 else "INFO")
    assert len(wire.chats) == line["attempts"]


def test_stages_are_measured(caller: Caller, app: Flask) -> None:
    """Each once for a message that came through all of them."""
    caller.send()
    stages = by_label(app, "stage_seconds_count", "stage")
    assert stages == dict.fromkeys(["auth", "limit", "account", "upstream", "total"], 1)


def test_limits_and_accounts_are_counted(caller: Caller, wire: Wire, app: Flask, lines: Heard) -> None:
    """Decisions by their end and by who made them, look-ups by where the answer came from, as lines tell it."""
    for _ in range(31):
        caller.send()
    wire.answer_accounts = lambda _: NothingSentError("refused")
    caller.send(user="one-of-another-company", company=GLOBEX)
    assert counted(app, "limit_decisions_total", decision="admitted", store="shared") == 31
    assert counted(app, "limit_decisions_total", decision="refused", store="shared") == 1
    assert by_label(app, "account_lookups_total", "result") == {"asked": 1, "remembered": 29, "failed": 1}
    assert Counter(line["limit"] for line in lines) == {"admitted": 31, "refused": 1}
    told = Counter(line.get("account") for line in lines)
    assert told == {"asked": 1, "remembered": 29, "failed": 1, None: 1}
    assert counted(app, "sends_total", outcome="not_sent", reason="refused") == 1


class _Lost(MemoryStore):
    """A store that cannot be reached."""

    def hit(self, *_: object) -> Any:
        raise StoreLostError("lost")

    def claim(self, *_: object, **__: object) -> Any:
        raise StoreLostError("lost")

    def probe(self) -> None:
        raise StoreLostError("lost")


def test_a_lost_store_is_told(environ: dict[str, str], wire: Wire, lines: Heard) -> None:
    """In the line of each request that this process decided alone, in the counts and in a gauge."""
    store = FailoverStore(_Lost(), processes=1)
    app = create_app(load(environ), transport=wire, store=store)
    assert isinstance(app, Application)
    caller = Caller(CheckedClient(app))
    assert caller.send().status_code == 200
    assert caller.send(headers={"Idempotency-Key": "1"}).status_code == 500
    app.monitor.publish()
    store.close()
    assert [line["store"] for line in lines] == ["local", "local"]
    assert counted(app, "limit_decisions_total", decision="admitted", store="local") == 2
    assert counted(app, "idempotency_total", result="unavailable") == 1
    assert counted(app, "store_lost_workers") == 1


def test_what_is_published(app: Flask) -> None:
    """How things stand in a process that has nothing to do."""
    assert isinstance(app, Application)
    app.monitor.publish()
    app.monitor.publish()
    told = ("workers", "workers_ready", "workers_started_total", "slots", "slots_taken", "in_flight")
    assert [counted(app, name) for name in told] == [1, 1, 1, 24, 0, 0]
    assert by_label(app, "circuit_open_workers", "service") == {"account": 0, "chat": 0}


def test_every_series_begins_at_zero(app: Flask, caller: Caller, wire: Wire) -> None:
    """A first failure is seen only where there was a zero before it: nothing adds a series later."""
    assert isinstance(app, Application)
    app.monitor.publish()

    def series() -> set[tuple[str, ...]]:
        samples = [sample for metric in app.monitor.metrics.registry.collect() for sample in metric.samples]
        return {(it.name, *it.labels.values()) for it in samples if "stage_seconds" not in it.name}

    before = series()
    for end in ENDS.values():
        wire.answer_chat = end
        caller.send(headers={"Idempotency-Key": "".join(map(str, [len(wire.chats)]))})
    for changed in ({"company": "no-id"}, {"user": "nobody"}, {"headers": {"Authorization": "?"}}, {"data": "{"}):
        caller.send(**changed)
    assert {it for it in series() - before if "/openapi.json" not in it} == set()


def test_no_series_begins_that_has_no_end(app: Flask) -> None:
    """An error in which the route cannot end is none of its answers."""
    assert isinstance(app, Application)
    app.monitor.publish()
    found = [sample.labels for metric in app.monitor.metrics.registry.collect() for sample in metric.samples]
    begun = {(labels["route"], labels["code"]) for labels in found if "code" in labels}
    ends = {it.rule: ["none", *(error.code for error in it.errors)] for it in app.monitor.operations}
    assert begun == {(rule, code) for rule, codes in ends.items() for code in codes}


def test_an_open_circuit_is_published(environ: dict[str, str], wire: Wire) -> None:
    """As soon as the service behind could not be connected to as often as the setting says."""
    app = create_app(load({**environ, "BREAKER_THRESHOLD": "1"}), transport=wire)
    assert isinstance(app, Application)
    wire.answer_chat = lambda *_: NothingSentError("refused")
    Caller(CheckedClient(app)).send()
    app.monitor.publish()
    assert by_label(app, "circuit_open_workers", "service") == {"account": 0, "chat": 1}


@pytest.mark.parametrize("method", ["POST", "BREW"])
def test_nobody_makes_up_labels(app: Flask, caller: Caller, method: str) -> None:
    """Paths and methods of the caller's own making are one series."""
    for path in ("/nothing", f"/{CONVERSATION}"):
        caller.client.open(path, method=method)
    series = {"method": "POST" if method == "POST" else "other", "route": "none"}
    assert counted(app, "requests_total", **series, status="404", code="NOT_FOUND") == 2


def test_nothing_that_is_seen_changes_an_answer(caller: Caller, app: Flask, wire: Wire, lines: Heard) -> None:
    """Whatever breaks in the metrics, a sent message stays sent, and has its line in the log."""
    assert isinstance(app, Application)
    app.monitor.metrics._requests = None  # type: ignore[assignment] # as broken as can be
    answer = caller.send()
    assert (answer.status_code, answer.headers["X-Send-Outcome"], len(wire.chats)) == (200, "sent", 1)
    assert [line["send_outcome"] for line in lines] == ["sent"]


class Full(io.StringIO):
    """Standard error on a disk that is full."""

    def write(self, _: str) -> int:
        """In vain."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_the_log_cannot_tell_is_counted(caller: Caller, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be written changes no answer, and no alert goes blind for it."""
    monkeypatch.setattr(sys, "stderr", Full())
    assert caller.send().headers["X-Send-Outcome"] == "sent"
    assert counted(app, "sends_total", outcome="sent", reason="accepted") == 1
