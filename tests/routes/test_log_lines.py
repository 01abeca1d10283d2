"""One line in the log for each request, whatever becomes of it."""

import json

import jwt
import pytest
from flask import Flask
from werkzeug.exceptions import ServiceUnavailable

from app import create_app
from app.upstream.transport import UNEXPECTED, NoAnswerError, NothingSentError, TransportError
from config.settings import load
from tests.conftest import Caller
from tests.documented import CheckedClient
from tests.people import ACME, CONVERSATION, SECRET, claims
from tests.routes.seen import ROUTE, Heard, by_label
from tests.wire import Wire

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
    assert (first["idempotency_key"], first["user"]) == (second["idempotency_key"], second["user"])
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
    assert [line["user"] is None for line in lines] == [True, False, False]
    assert further == [{"auth_ms"}, OF_LIMITED, OF_A_MEMBER]
    assert [(line["send_outcome"], line["reason"]) for line in lines] == [
        (None, "UNAUTHORIZED"),
        ("not_sent", "INVALID_COMPANY_ID"),
        ("not_sent", "NO_ACCOUNT"),
    ]


@pytest.mark.parametrize("kind", [ZeroDivisionError, ServiceUnavailable])
def test_a_bug_is_told_by_its_class_and_place(
    caplog: pytest.LogCaptureFixture, caller: Caller, wire: Wire, kind: type[Exception]
) -> None:
    """And by the id of its request, which the caller has too; its text, which may hold anything, is left out."""
    wire.answer_chat = lambda *_: kind("canary")
    response = caller.send(headers={"X-Request-ID": "from-the-caller"})
    assert (response.status_code, response.headers["X-Send-Outcome"]) == (500, "unknown")
    assert response.get_json()["code"] == "INTERNAL_ERROR"
    [told] = [record for record in caplog.records if record.message == "unforeseen exception"]
    assert (told.levelname, vars(told)["request_id"], vars(told)["exception"]) == (
        "ERROR",
        "from-the-caller",
        kind.__name__,
    )
    assert "tests/wire.py" in vars(told)["places"][-1]
    assert (told.exc_info, "canary" in str(vars(told))) == (None, False)


@pytest.mark.parametrize("kind", [NothingSentError, NoAnswerError])
def test_an_error_that_nobody_foresaw_is_told_like_a_bug(
    caplog: pytest.LogCaptureFixture, caller: Caller, wire: Wire, kind: type[TransportError]
) -> None:
    """`unexpected` alone would lead nobody to it."""

    def fail(*_: object) -> Exception:
        try:
            int("canary")
        except ValueError as error:
            raise kind(UNEXPECTED) from error
        return AssertionError()

    wire.answer_chat = fail
    caller.send(headers={"X-Request-ID": "from-the-caller"})
    [told] = [vars(record) for record in caplog.records if record.message == "unforeseen exception"]
    assert (told["request_id"], told["exception"]) == ("from-the-caller", "ValueError")
    assert __file__ in told["places"][-1]
    assert "canary" not in str(told)


def test_a_short_secret_costs_no_line(environ: dict[str, str], wire: Wire) -> None:
    """PyJWT warns of 32 bytes for HS512, which are enough; a warning is an error here."""
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims(), SECRET[:32], algorithm="HS512")
    environ["JWT_SECRET"] = SECRET[:32]
    app = create_app(load({**environ, "JWT_ALGORITHMS": "HS512"}), transport=wire)
    answer = Caller(CheckedClient(app)).send(headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


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
    """A Content-Length of 5,000 digits, which not every WSGI server refuses, is answered and has its line."""
    answer = caller.send(environ_overrides={"CONTENT_LENGTH": "9" * 5000})
    [line] = lines
    assert (line["status"], line["bytes_in"]) == (answer.status_code, 0)
    assert answer.headers["X-Send-Outcome"] == "not_sent"
