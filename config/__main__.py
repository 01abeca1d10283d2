"""`python -m config`: the settings as the table that docs/settings.md holds."""

import sys
from collections.abc import Iterator
from dataclasses import fields

from config.settings import Settings

_HEAD = """\
# Settings

Read from the environment at start. An empty variable counts as not set. A wrong one stops the start with one
message that names all that is wrong, without a value. Every secret can be given as NAME_FILE, the path of a file.

| name | default | |
|---|---|---|"""
# This default is read from the machine, so it is not the same everywhere.
_SHOWN = {"WEB_CONCURRENCY": "cores"}
_KEYS = ("JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL")


def lines() -> Iterator[str]:
    """The document, line by line."""
    yield _HEAD
    for row in fields(Settings):
        name, column = row.name.upper(), row.metadata
        default = "required" if column["default"] is ... else "none"
        if column["default"] not in {..., None}:
            default = f"`{_SHOWN.get(name, column['default'])}`"
        if name in _KEYS:
            default = "one of three is required"
        shown = f"{name}_FILE" if column["from_file"] and not column["secret"] else name
        yield f"| `{shown}` | {default} | {column['help']}{' (secret)' if column['secret'] else ''} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
