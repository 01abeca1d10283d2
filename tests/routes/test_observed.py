"""What operators see of requests: one line in the log and the right counts, whatever becomes of them."""

import errno
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jwt
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
from tests.people import ACME, CONVERSATION, GLOBEX, NOWHERE, SECRET, claims
from tests.wire import Answer, Wire, reply, sent_message

ROUTE = "/v1/send-message/<company_id>/<conversation_id>"
TEXT = "the text of a message"
OF_EVERY_LINE = {
    *(
        "time",
        "level",
        "logger",
        "event",
        "request_id",
        "trace_id",
        "span_id",
        "method",
        "route",
        "status",
        "code",
    ),
    *("send_outcome", "reason", "user", "client", "total_ms", "cpu_ms", "bytes_in", "bytes_out", "worker"),
}
OF_LIMITED = {"auth_ms", "limit_ms", "limit", "store"}
OF_A_MEMBER = OF_LIMITED | {"company", "conversation", "account_ms", "account"}


class Heard(Sequence[dict[str, Any]]):
    """The lines of messages in the log so far."""

    def __init__(self, written: pytest.CaptureFixture[str]) -> None:
        self._written = written
        self._lines: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all())

    def __getitem__(self, index: Any) -> Any:
        """As of a list."""
        return self._all()[index]

    def _all(self) -> list[dict[str, Any]]:
        lines = map(json.loads, self._written.readouterr().err.splitlines())
        self._lines += [line for line in lines if line.get("route") == ROUTE]
        return self._lines


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Heard:
    return Heard(capsys)


def counted(app: Flask, name: str, **labels: str) -> float:
    """The value of a series; 0 where there is none."""
    assert isinstance(app, Application)
    return app.monitor.metrics.registry.get_sample_value(f"send_message_{name}", labels) or 0


def by_label(app: Flask, name: str, label: str) -> dict[str, float]:
    """The values of a metric by one of its labels."""
    assert isinstance(app, Application)
    samples = [sample for metric in app.monitor.metrics.registry.collect() for sample in metric.samples]
    return {it.labels[label]: it.value for it in samples if it.name == f"send_message_{name}"}


def test_a_sent_message(caller: Caller, lines: Heard) -> None:
    """Who, where, what became of it, and how long each stage took; neither the text nor the user's name."""
    caller.send(headers={"X-Request-ID": "from-the-caller"}, json={"message_body": TEXT})
    [line] = lines
    assert set(line) == OF_EVERY_LINE | OF_A_MEMBER | {"upstream_ms", "attempts"}
    told = {name: line[name] for name in ("level", "event", "request_id", "method", "route", "status", "code")}
    assert told == {
        "level": "INFO",
        "event": "request",
        "request_id": "from-the-caller",
        "method": "POST",
        "route": ROUTE,
        "status": 200,
        "code": None,
    }
    ended = {name: line[name] for name in ("send_outcome", "reason", "limit", "store", "account", "attempts")}
    assert ended == {
        "send_outcome": "sent",
        "reason": "accepted",
        "limit": "admitted",
        "store": "shared",
        "account": "asked",
        "attempts": 1,
    }
    assert (line["company"], line["conversation"], line["client"]) == (ACME, CONVERSATION, "127.0.0.1")
    stages = [line[f"{stage}_ms"] for stage in ("auth", "limit", "account", "upstream")]
    assert 0 < sum(stages) <= line["total_ms"]
    assert (line["bytes_in"] > len(TEXT), line["bytes_out"] > len(TEXT)) == (True, True)
    assert not [secret for secret in (TEXT, "a-member", "eyJ") if secret in json.dumps(line)]


def test_a_key_and_its_repetition(caller: Caller, app: Flask, lines: Heard) -> None:
    """The key's hash tells that the two are one; the second asked nobody."""
    for _ in range(2):
        caller.send(headers={"Idempotency-Key": "a-key-of-theirs"})
    first, second = lines
    assert first["idempotency_key"] == second["idempotency_key"]
    assert "a-key-of-theirs" not in json.dumps(list(lines))
    assert [(line["replayed"], line["reason"], line["account"]) for line in lines] == [
        (False, "accepted", "asked"),
        (True, "replayed", "remembered"),
    ]
    assert "attempts" not in second
    caller.send(headers={"Idempotency-Key": "a-key-of-theirs"}, json={"message_body": "another"})
    assert (lines[2]["code"], lines[2]["idempotency_key"]) == ("IDEMPOTENCY_KEY_REUSED", first["idempotency_key"])
    assert by_label(app, "idempotency_total", "result") == {"new": 1, "replayed": 1, "reused": 1}


def test_who_does_not_come_far(caller: Caller, lines: Heard) -> None:
    """A line has the stages that were reached and nothing of the others."""
    caller.send(headers={"Authorization": "Bearer nonsense"})
    caller.send(company="no-id")
    caller.send(user="one-of-another-company")
    further = [set(line) - OF_EVERY_LINE for line in lines]
    assert further == [{"auth_ms"}, OF_LIMITED, OF_A_MEMBER]
    assert [(line["send_outcome"], line["reason"]) for line in lines] == [
        (None, "UNAUTHORIZED"),
        ("not_sent", "INVALID_COMPANY_ID"),
        ("not_sent", "NO_ACCOUNT"),
    ]


ENDS: dict[tuple[str, str], Callable[[str, dict[str, Any]], Answer]] = {
    ("sent", "accepted"): lambda _, document: reply(200, sent_message(CONVERSATION, document["message_body"])),
    ("not_sent", "refused"): lambda *_: NothingSentError("refused"),
    ("not_sent", "MESSAGE_REJECTED"): lambda *_: reply(422),
    ("not_sent", "status_4xx"): lambda *_: reply(409),
    ("unknown", "deadline"): lambda *_: NoAnswerError("deadline"),
    ("unknown", "status_5xx"): lambda *_: reply(503),
    ("unknown", "status_3xx"): lambda *_: reply(307),
    ("unknown", "invalid_answer"): lambda *_: reply(200, {}),
    ("unknown", "other_conversation"): lambda *_: reply(200, sent_message(NOWHERE, TEXT)),
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


def test_a_bug_is_told_by_its_class_and_place(
    caplog: pytest.LogCaptureFixture, caller: Caller, wire: Wire
) -> None:
    """And by the id of its request, which the caller has too; its text, which may hold anything, is left out."""
    wire.answer_chat = lambda *_: ZeroDivisionError("canary")
    caller.send(headers={"X-Request-ID": "from-the-caller"})
    [told] = [record for record in caplog.records if record.message == "unforeseen exception"]
    assert (told.levelname, vars(told)["request_id"], vars(told)["exception"]) == (
        "ERROR",
        "from-the-caller",
        "ZeroDivisionError",
    )
    assert "tests/wire.py" in vars(told)["places"][-1]
    assert (told.exc_info, "canary" in str(vars(told))) == (None, False)


def test_a_short_secret_costs_no_line(environ: dict[str, str], wire: Wire) -> None:
    """PyJWT warns of 32 bytes for HS512, which are enough; a warning is an error here."""
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims(), SECRET[:32], algorithm="HS512")
    environ["JWT_SECRET"] = SECRET[:32]
    app = create_app(load({**environ, "JWT_ALGORITHMS": "HS512"}), transport=wire)
    answer = Caller(CheckedClient(app)).send(headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


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


@pytest.mark.parametrize(
    ("proxies", "addresses", "client"),
    [
        (0, "192.0.2.1", "127.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "forged, 192.0.2.1", "192.0.2.1"),
        (2, "forged, 2001:db8::1, 192.0.2.7", "2001:db8::1"),
        (2, "192.0.2.7", "127.0.0.1"),
        (1, "<script>", None),
        (1, '", 192.0.2.1', "192.0.2.1"),
        (2, 'forged, ", 2001:db8::1 ,192.0.2.7', "2001:db8::1"),
        (1, "", "127.0.0.1"),
        (1, "forged, ", "127.0.0.1"),
    ],
)
def test_the_address_of_clients(
    environ: dict[str, str], wire: Wire, lines: Heard, proxies: int, addresses: str, client: str | None
) -> None:
    """What the trusted proxies say, and nothing of what stood in the header before them."""
    app = create_app(load({**environ, "TRUSTED_PROXIES": str(proxies)}), transport=wire)
    headers = {"X-Forwarded-For": addresses, "X-Forwarded-Host": "evil", "X-Forwarded-Prefix": "/evil"}
    assert Caller(CheckedClient(app)).send(headers=headers).status_code == 200
    assert [line["client"] for line in lines] == [client]


def test_an_absurd_length_costs_no_line(caller: Caller, lines: Heard) -> None:
    """Not every WSGI server refuses it."""
    answer = caller.send(environ_overrides={"CONTENT_LENGTH": "9" * 5000})
    [line] = lines
    assert (line["status"], line["bytes_in"]) == (answer.status_code, 0)
    assert answer.headers["X-Send-Outcome"] == "not_sent"
