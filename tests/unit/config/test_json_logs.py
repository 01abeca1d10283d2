"""One record of the log is one line of JSON, whatever it holds, and no secret is in it."""

import io
import json
import logging
import logging.config
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from config.logs import JsonFormatter, dictionary, write

CANARY = "canary-that-must-not-sing"


def line(
    message: str = "sent",
    *arguments: object,
    extra: Mapping[str, object] | None = None,
    error: BaseException | None = None,
    stack: str | None = None,
) -> dict[str, Any]:
    """The line that a record becomes, read back as JSON."""
    record = logging.getLogger("app.chat").makeRecord(
        "app.chat", logging.WARNING, __file__, 1, message, arguments, caught(error), extra=extra, sinfo=stack
    )
    text = JsonFormatter().format(record)
    assert text.splitlines() == [text]
    assert text.isascii()
    read: dict[str, Any] = json.loads(text)
    return read


def caught(error: BaseException | None) -> Any:
    """What `exc_info=True` makes of this exception, or of none."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def test_a_plain_record() -> None:
    """Time, level, logger and event, and nothing else that a record has."""
    told = line("%s of %d", "two", 3)
    assert {**told, "time": ...} == {"time": ..., "level": "WARNING", "logger": "app.chat", "event": "two of 3"}


def test_the_time() -> None:
    """UTC to the millisecond (RFC 3339)."""
    record = logging.makeLogRecord({"created": 1_742_754_600.0625, "msg": "sent"})
    assert json.loads(JsonFormatter().format(record))["time"] == "2025-03-23T18:30:00.062+00:00"
    now = datetime.fromisoformat(line()["time"])
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


@pytest.mark.parametrize("value", [7, 0.5, True, None, ["a", 1], {"a": {"b": []}}, "ü😀\ud800\0"], ids=ascii)
def test_extras_are_on_the_line(value: object) -> None:
    """As the JSON that they are."""
    told = line(extra={"upstream_status": value, "duration_ms": 12})
    assert (told["upstream_status"], told["duration_ms"]) == (value, 12)


@pytest.mark.parametrize("value", [b"canary", {1, 2}, datetime(2025, 3, 23, tzinfo=UTC), KeyError("canary")])
def test_extras_that_json_has_not(value: object) -> None:
    """Their class: a line is never lost because of them, and their text may hold what a log must not."""
    assert line(extra={"what": value})["what"] == type(value).__name__


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b\x85c", '{"a": 1}\n{}', "\x1b[31m"], ids=ascii)
def test_one_line_whatever_is_logged(text: str) -> None:
    """Nobody can forge a second line, in the message, its arguments or the extras."""
    told = line(f"{text} %s", text, extra={"path": text})
    assert (told["event"], told["path"]) == (f"{text} {text}", text)


def test_an_exception() -> None:
    """Its class alone: neither its text, nor its causes', nor the lines of a traceback."""
    with pytest.raises(ValueError, match=CANARY) as raised:
        raise ValueError(CANARY) from KeyError(CANARY)
    raised.value.add_note(CANARY)
    told = line("not sent", error=raised.value)
    assert told["exception"] == "ValueError"
    assert CANARY not in str(told)
    assert "Traceback" not in str(told)


def test_an_exception_that_another_handler_has_written() -> None:
    """Handlers keep the traceback as text on the record that they share, and with it the text."""
    record = logging.makeLogRecord({"msg": "not sent", "exc_info": caught(ValueError(CANARY))})
    assert CANARY in logging.Formatter().format(record)
    assert CANARY not in JsonFormatter().format(record)


@pytest.mark.parametrize("message", ["ended: %s", "ended: %r"])
def test_an_exception_as_an_argument(message: str) -> None:
    """Libraries give them, as arguments or as the message; their text is left out there too."""
    assert line(message, ValueError(CANARY))["event"].strip("'") in {"ended: ValueError", "ended: 'ValueError"}
    record = logging.makeLogRecord({"msg": ValueError(CANARY)})
    assert json.loads(JsonFormatter().format(record))["event"] == "ValueError"


@pytest.mark.parametrize("message", ["sent", "%d", "%s %s", "100%"])
def test_arguments_that_do_not_fit(message: str) -> None:
    """The message stays as it is: what they hold is nowhere."""
    assert line(message, CANARY, *([CANARY] if message == "100%" else []))["event"] == message


@pytest.mark.parametrize(("message", "argument"), [("%(x)s", {"y": CANARY}), ("%c", 10**10)])
def test_an_argument_that_does_not_fit(message: str, argument: object) -> None:
    """Whatever formatting raises, the line is written and the argument is not."""
    assert line(message, argument)["event"] == message


def test_no_exception_after_all() -> None:
    """`exc_info=True` where none is handled."""
    assert "exception" not in line(error=None)


def test_no_stack() -> None:
    """`stack_info` would be many lines; it is left out."""
    assert CANARY not in str(line(stack=CANARY))


def test_the_configuration(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """The loggers that are named, and those below, write to standard error alone, from the level on."""
    logging.config.dictConfig(dictionary("WARNING", "test_json_logs"))
    logger = logging.getLogger("test_json_logs.below")
    logger.info("too little")
    logger.warning("enough", extra={"a": 1})
    written = capsys.readouterr()
    [told] = [json.loads(text) for text in written.err.splitlines()]
    assert (written.out, told["event"], told["a"]) == ("", "enough", 1)
    assert caplog.records == []


def test_the_configuration_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Loggers that exist already go on, and the same configuration twice writes no line twice."""
    other = logging.getLogger("test_json_logs_other")
    for _ in range(2):
        logging.config.dictConfig(dictionary("INFO", "test_json_logs"))
    logging.getLogger("test_json_logs").info("once")
    assert (other.disabled, len(capsys.readouterr().err.splitlines())) == (False, 1)


class Congested(io.StringIO):
    """Standard error that takes nothing at first: a full pipe that does not block, a disk without space."""

    def __init__(self) -> None:
        super().__init__()
        self._is_full = True

    def write(self, text: str) -> int:
        """Fail once."""
        if self._is_full:
            self._is_full = False
            raise BlockingIOError
        return super().write(text)


def test_a_line_that_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging itself would write a traceback and the arguments in its place, over many lines."""
    stderr = Congested()
    monkeypatch.setattr(sys, "stderr", stderr)
    logging.config.dictConfig(dictionary("INFO", "test_json_logs"))
    logger = logging.getLogger("test_json_logs")
    logger.error("lost %s", CANARY)
    logger.info("written")
    assert [json.loads(text)["event"] for text in stderr.getvalue().splitlines()] == ["written"]


@pytest.mark.parametrize("value", [7, 0.5, None, "plain", "ü\u2028\ud800\0\n", KeyError("canary")], ids=ascii)
def test_a_line_that_is_written_at_once(capsys: pytest.CaptureFixture[str], value: object) -> None:
    """As safely as extras are, though in another way."""
    write({"event": "request", "what": value})
    text = capsys.readouterr().err
    assert (text.splitlines(keepends=True), text.isascii(), text[-1]) == ([text], True, "\n")
    told = type(value).__name__ if isinstance(value, Exception) else value
    line = json.loads(text)
    written_at = datetime.fromisoformat(line.pop("time"))
    assert line == {"event": "request", "what": told}
    assert abs((datetime.now(UTC) - written_at).total_seconds()) < 60
