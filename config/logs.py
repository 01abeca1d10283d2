"""Logging as JSON, one line per record, the same under every WSGI server."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson

# Attributes of every record; all others came from `extra` and belong in the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# ASCII only, so that nobody can forge a second line.
_ENCODER = json.JSONEncoder(default=lambda value: type(value).__name__, separators=(",", ":"))


class JsonFormatter(logging.Formatter):
    """Formats time (UTC, RFC 3339), level, logger, event, and the fields of `extra`.

    Exceptions and values unknown to JSON appear by class name only: their text may hold data that must not be
    logged.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "event": _event(record),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return _ENCODER.encode(line)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines to standard error; one that cannot be written is lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's
        """Do nothing: logging would write the arguments, and the text of the exception being handled."""


def write(line: dict[str, Any]) -> None:
    """Write a line to standard error at once, in the formatter's format; sets `time` to now.

    For lines written on every request: creating and handling a log record takes longer than writing the line. Each
    call writes one whole line, whatever other threads write. (Since 3.9 Python flushes standard error at the end
    of each line, whatever it is connected to.)
    """
    line["time"] = _timestamp(time.time())
    sys.stderr.write(f"{_encode(line)}\n")


def _timestamp(moment: float) -> str:
    """Return the time in UTC to the millisecond, as in RFC 3339."""
    return f"{_second(int(moment))}.{int(moment % 1 * 1000):03}+00:00"


def _encode(line: dict[str, Any]) -> str:
    """Encode like `_ENCODER`, in ASCII, in a tenth of the time if nothing has to be escaped."""
    try:
        text = orjson.dumps(line)
    except TypeError:
        return _ENCODER.encode(line)
    return text.decode() if text.isascii() else _ENCODER.encode(line)


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    """Format a second since the epoch in UTC; under load the same one is needed a thousand times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _event(record: logging.LogRecord) -> str:
    """Format the message; gunicorn passes exceptions as arguments, which may hold bytes of a request."""
    message, arguments = str(_told(record.msg)), record.args
    if isinstance(arguments, tuple):
        arguments = tuple(map(_told, arguments))
    try:
        return message % arguments if arguments else message
    except Exception:  # noqa: BLE001 - logging itself would print the arguments
        return message


def _told(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def dictionary(level: str, *names: str) -> dict[str, Any]:
    """Return a configuration for logging.config.dictConfig: these loggers write JSON, to standard error only."""
    logger = {"level": level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"()": LineHandler, "formatter": "json"}},
        "loggers": dict.fromkeys(names, logger),
    }
