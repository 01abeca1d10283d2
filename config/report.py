"""The report of `python -m config check`: every setting, its source, and what is wrong."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from difflib import get_close_matches
from typing import Any

from config.reading import DEFAULT, Reading
from config.settings import Settings

_MASK = "********"
# Scheme and location of a store; the part between them may hold a password.
_URL = re.compile(r"([a-z+]+://)([^@?#]*@)?([A-Za-z0-9._,:/\[\]-]+)")


def rows(reading: Reading) -> Iterator[str]:
    """Yield a line with name, value and source of each setting; secrets are masked.

    The value of a wrong setting is not shown: it may be a secret in the wrong place.
    """
    wrong = {word.removesuffix("_FILE").lower() for name in reading.problems for word in name.split(" ")}
    for row in fields(Settings):
        value, source = _shown(row, reading.values[row.name]), reading.sources[row.name]
        if row.name in wrong:
            value = "not set" if source == DEFAULT else "wrong"
        yield f"{row.name.upper():25} {value:45} {source}"


def tell_unread(reading: Reading, environ: Mapping[str, str]) -> None:
    """Add a problem of gunicorn alone: it reads WEB_CONCURRENCY itself, at import, and fails if it is empty."""
    if environ.get("WEB_CONCURRENCY") == "":
        reading.tell("WEB_CONCURRENCY", "Present but empty: gunicorn cannot read it; unset it or give a number.")


def strangers(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence on each variable that resembles a setting but is none; it may be another program's."""
    known = names()
    for name in sorted(environ.keys() - set(known)):
        for near in _near(name, known):
            yield f"{name} is no setting and was not read. {near} is one."


def names() -> list[str]:
    """Return the names of all variables: the settings, and NAME_FILE for those that can be read from a file."""
    columns = {row.name.upper(): row.metadata for row in fields(Settings)}
    return [*columns, *(f"{name}_FILE" for name in columns if columns[name]["from_file"])]


def _near(name: str, known: list[str]) -> list[str]:
    """Return the setting that may be meant, if any: one spelt similarly, or one that begins with these words."""
    begun = [each for each in known if "_" in name and each.startswith(f"{name}_")]
    return get_close_matches(name, known, n=1, cutoff=0.8) or begun[:1]


def _shown(row: "Field[Any]", value: Any) -> str:  # noqa: ANN401 - of the setting's own type
    if value is None:
        return "not set"
    if row.metadata["secret"]:
        found = _URL.fullmatch(value)
        return f"{found[1]}{_MASK + '@' if found[2] else ''}{found[3]}" if found else _MASK
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    first, *rest = str(value).splitlines()
    return f"{first} …" if rest else first
