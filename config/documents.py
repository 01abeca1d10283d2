"""Documents generated from the table of settings: docs/settings.md and .env.example."""

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from config.settings import Settings

_PAGE = """\
# Settings

Read from the environment at start. An empty variable counts as not set, except `WEB_CONCURRENCY`: gunicorn
itself reads that one too, and ends with a traceback if it is empty or no number. Any other wrong one stops the
start with one message that names all that is wrong, without a value. Every secret can be given as NAME_FILE,
the path of a file. `python -m config check` prints each setting, where it comes from and what is wrong with it.

| name | default | |
|---|---|---|"""
_EXAMPLE = """\
# Settings of the service, for `set -a; . ./.env` and for systemd's EnvironmentFile. Fill in what has no `#`,
# and one of the three keys, without its `#`. Every secret can be given as NAME_FILE, the path of a file.
# docs/settings.md has the same as a table."""
# For defaults that depend on the machine: the text in the table, and an example value.
_SHOWN = {"WEB_CONCURRENCY": ("number of cores", "2")}
_KEYS = ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL")


def page() -> Iterator[str]:
    """Yield the lines of docs/settings.md, in Markdown."""
    yield _PAGE
    for row in fields(Settings):
        name, column = row.name.upper(), row.metadata
        default = "required" if column["default"] is ... else "none"
        if column["default"] not in {..., None}:
            default = _SHOWN[name][0] if name in _SHOWN else f"`{_text(column['default'])}`"
        if name in _KEYS:
            default = "one of three is required"
        yield f"| `{_variable(row)}` | {default} | {column['help']}{' (secret)' if column['secret'] else ''} |"


def example() -> Iterator[str]:
    """Yield the entries of .env.example: required variables are empty, all others are commented out."""
    yield _EXAMPLE
    for row in fields(Settings):
        name, default = row.name.upper(), row.metadata["default"]
        one_of = " (one of three is required)" if name in _KEYS else ""
        value = "" if default in {..., None} else _quoted(_text(default))
        value = _SHOWN[name][1] if name in _SHOWN else value
        yield f"\n# {row.metadata['help']}{one_of}"
        yield f"{'' if default is ... else '# '}{_variable(row)}={value}"


def _variable(row: "Field[Any]") -> str:
    """Return the variable that usually sets the value: NAME_FILE for public keys, else NAME."""
    name, column = row.name.upper(), row.metadata
    return f"{name}_FILE" if column["from_file"] and not column["secret"] else name


def _text(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
