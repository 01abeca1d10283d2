"""Reading settings from the environment: the source, the value and the problems of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields

ENVIRONMENT, DEFAULT = "environment", "default"

_FILE = "_FILE"
# How the text of each type is read; each raises ValueError or ValidationError with a sentence.
_PARSERS: dict[object, Callable[[str], Any]] = {
    str: str,
    str | None: str,
    tuple[str, ...]: lambda text: tuple(text.replace(",", " ").split()),
    int: fields.Integer().deserialize,
    float: fields.Float().deserialize,
    float | None: fields.Float().deserialize,
    bool: fields.Boolean().deserialize,
}


class Reading:
    """A table of settings, read from variables; an empty variable counts as not set.

    `values` has the parsed value of each field, None if it is wrong; `sources` has NAME_FILE=path,
    ENVIRONMENT or DEFAULT; `problems` has the sentences on each wrong variable, which show no value.
    """

    def __init__(self, rows: "Sequence[Field[Any]]", environ: Mapping[str, str]) -> None:
        self._rows = rows
        self._problems: dict[str, list[str]] = {}
        self.sources: dict[str, str] = {}
        self.values = {row.name: self._value(row, self._given(row, environ)) for row in rows}

    @property
    def problems(self) -> dict[str, list[str]]:
        """The problems by variable, or by several variables joined with "or" or "and"; in the table's order."""
        table = [row.name.upper() for row in self._rows]
        order = sorted(self._problems, key=lambda name: table.index(name.split(" ")[0].removesuffix(_FILE)))
        return {name: self._problems[name] for name in order}

    def tell(self, name: str, sentence: str) -> None:
        """Add a problem between settings, unless one of the variables in `name` is already wrong."""
        if not any(known in self._problems for known in (*name.split(" "), f"{name}{_FILE}")):
            self._problems[name] = [sentence]

    def _given(self, row: "Field[Any]", environ: Mapping[str, str]) -> str:
        """Return the text of the variable, or of the file that NAME_FILE names; empty if not set.

        Records the source and any problems.
        """
        name = row.name.upper()
        text, path = environ.get(name, ""), environ.get(f"{name}{_FILE}", "")
        self.sources[row.name] = ENVIRONMENT if text else DEFAULT
        if not (row.metadata["from_file"] and path):
            return text
        if text:
            self._wrong(name, f"Set {name} or {name}{_FILE}, not both.")
        self.sources[row.name] = f"{name}{_FILE}={path}"
        try:
            content = _text_of(Path(path))
        except (OSError, ValueError):
            self._wrong(f"{name}{_FILE}", "Not a readable text file.")
            return text
        if not content and not row.metadata["empty_file"]:
            # Whoever names a file means its value, not the default: that may be another store.
            self._wrong(f"{name}{_FILE}", "The file is empty.")
        return content or text

    def _value(self, row: "Field[Any]", text: str) -> Any:  # noqa: ANN401 - of the row's type
        name, column = row.name.upper(), row.metadata
        if not text:
            if column["default"] is ...:
                self._wrong(name, "Environment variable not set.")
                return None
            return column["default"]
        try:
            _check_text(text)
            value = (column["parse"] or _PARSERS[row.type])(text)
            if column["validate"]:
                column["validate"](value)
        except (ValidationError, ValueError) as error:
            self._wrong(name, str(error.args[0]))
            return None
        return value

    def _wrong(self, name: str, sentence: str) -> None:
        self._problems.setdefault(name, []).append(sentence)


def _check_text(text: str) -> None:
    """Raise ValueError unless the text is valid UTF-8; Python keeps other bytes as lone surrogates (PEP 383)."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("Not text in UTF-8.")


def _text_of(file: Path) -> str:
    """Return the text of a regular file, without its final line break; reading a pipe might never end."""
    if not file.is_file():
        raise FileNotFoundError
    return file.read_text(encoding="utf-8").removesuffix("\n")
