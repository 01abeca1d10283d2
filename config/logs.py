"""Logs as JSON, one line a record, for every WSGI server alike."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

# What every record has; the rest was given by `extra` and belongs on the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# In ASCII, so that nobody can forge a second line.
_ENCODER = json.JSONEncoder(default=lambda value: type(value).__name__, separators=(",", ":"))


class JsonFormatter(logging.Formatter):
    """Time (UTC, RFC 3339), level, logger, event, and whatever was given as `extra`.

    Of an exception, and of whatever JSON does not know, only the class is told: its text may hold what a log
    must not.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
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


def write(line: dict[str, Any]) -> None:
    """Write a line of what JSON knows to standard error, as the formatter would, at once; its `time` is now.

    For what is written with every request: a record, and logging's way from there, take longer than the line. One
    call is one line, whatever other threads write. (Python flushes standard error at each end of a line, from 3.9
    on, whatever it is connected to.)
    """
    line["time"] = _timestamp(time.time())
    sys.stderr.write(f"{_encode(line)}\n")


def _timestamp(moment: float) -> str:
    """UTC to the millisecond, RFC 3339."""
    return f"{_second(int(moment))}.{int(moment % 1 * 1000):03}+00:00"


def _encode(line: dict[str, Any]) -> str:
    """The same JSON, also in ASCII, at a tenth of the time where nothing has to be escaped."""
    try:
        text = orjson.dumps(line)
    except TypeError:
        return _ENCODER.encode(line)
    return text.decode() if text.isascii() else _ENCODER.encode(line)


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    """A second since the epoch, as it begins in UTC; a busy one is asked for a thousand times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _event(record: logging.LogRecord) -> str:
    """The message; gunicorn gives exceptions that hold bytes of a request as its arguments."""
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
    """A configuration for logging.config.dictConfig: these loggers write JSON, to standard error alone."""
    logger = {"level": level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": dict.fromkeys(names, logger),
    }
