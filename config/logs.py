"""Logs as JSON, one line a record, for every WSGI server alike."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import orjson

# What every record has; the rest was given by `extra` and belongs on the line.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# In ASCII, so that nobody can forge a second line.
_ENCODER = json.JSONEncoder(default=lambda value: type(value).__name__, separators=(",", ":"))


class JsonFormatter(logging.Formatter):
    """Time (UTC, RFC 3339), level, logger, event, and whatever was given as `extra`.

    A record that is written often may have that in its `facts` instead: of what JSON knows, under a plain message.

    Of an exception, and of whatever JSON does not know, only the class is told: its text may hold what a log
    must not.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if facts := getattr(record, "facts", None):
            return _told_fast({**line, "event": record.msg, **facts})
        line["event"] = _event(record)
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
        return _ENCODER.encode(line)


class LineHandler(logging.StreamHandler):  # type: ignore[type-arg] # not of one kind of stream at run time
    """Writes a line a record; nothing is flushed, since standard error does so at the end of each line.

    (Python documents that of `sys.stderr` from 3.9 on, whatever it is connected to.)
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write its line."""
        try:
            self.stream.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)


def _told_fast(facts: dict[str, Any]) -> str:
    """The same JSON, also in ASCII, at a tenth of the time where nothing has to be escaped."""
    try:
        text = orjson.dumps(facts)
    except TypeError:
        return _ENCODER.encode(facts)
    return text.decode() if text.isascii() else _ENCODER.encode(facts)


def _event(record: logging.LogRecord) -> str:
    """The message; gunicorn gives exceptions that hold bytes of a request as its arguments."""
    message, arguments = str(_told(record.msg)), record.args
    if isinstance(arguments, tuple):
        arguments = tuple(map(_told, arguments))
    return message % arguments if arguments else message


def _told(value: object) -> object:
    return type(value).__name__ if isinstance(value, BaseException) else value


def dictionary(level: str, *names: str) -> dict[str, Any]:
    """A configuration for logging.config.dictConfig: these loggers write JSON, to standard error alone."""
    logger = {"level": level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "config.logs.LineHandler", "formatter": "json"}},
        "loggers": dict.fromkeys(names, logger),
    }
