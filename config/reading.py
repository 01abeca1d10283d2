"""Reading settings from the environment: the source, the value and the problems of each."""

from collections.abc import Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any, cast

from environs import Env, EnvError, EnvValidationError
from environs.types import ErrorMapping
from marshmallow import ValidationError

ENVIRONMENT, DEFAULT = "environment", "default"

_FILE = "_FILE"


class Reading:
    """A table of settings, read from variables; an empty variable counts as not set.

    `values` has the parsed value of each field, an arbitrary one if it is wrong; `sources` has NAME_FILE=path,
    ENVIRONMENT or DEFAULT; `problems` has the sentences on each wrong variable, which show no value.
    """

    def __init__(self, rows: "Sequence[Field[Any]]", environ: Mapping[str, str]) -> None:
        self._rows = rows
        self._problems: dict[str, list[str]] = {}
        self.sources: dict[str, str] = {}
        given: dict[str, str] = {}
        for row in rows:
            given.update(self._given(row, environ))
        reader = _Reader(given)
        self.values = {row.name: self._value(reader, row) for row in rows}
        try:
            reader.seal()
        except EnvValidationError as error:
            for name, sentences in cast("ErrorMapping", error.error_messages).items():
                self._wrong(name, *sentences)

    @property
    def problems(self) -> dict[str, list[str]]:
        """The problems by variable, or by several variables joined with "or" or "and"; in the table's order."""
        table = [row.name.upper() for row in self._rows]
        order = sorted(self._problems, key=lambda name: table.index(name.split(" ")[0].removesuffix(_FILE)))
        return {name: list(dict.fromkeys(self._problems[name])) for name in order}

    def tell(self, name: str, sentence: str) -> None:
        """Add a problem between settings, unless one of the variables in `name` is already wrong."""
        if not any(known in self._problems for known in (*name.split(" "), f"{name}{_FILE}")):
            self._problems[name] = [sentence]

    def _given(self, row: "Field[Any]", environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variable with its text, or the text of the file that NAME_FILE names; empty if not set.

        Records the source and any problems.
        """
        name = row.name.upper()
        text, path = environ.get(name, ""), environ.get(f"{name}{_FILE}", "")
        self.sources[row.name] = ENVIRONMENT if text else DEFAULT
        given = {name: text} if text and self._is_text(name, text) else {}
        if not (row.metadata["from_file"] and path):
            return given
        if text:
            self._wrong(name, f"Set {name} or {name}{_FILE}, not both.")
        self.sources[row.name] = f"{name}{_FILE}={path}"
        try:
            content = _text_of(Path(path))
        except (OSError, ValueError):
            self._wrong(f"{name}{_FILE}", "Not a readable text file.")
            return given
        if not content and not row.metadata["empty_file"]:
            # Whoever names a file means its value, not the default: that may be another store.
            self._wrong(f"{name}{_FILE}", "The file is empty.")
        return {name: content} if content else given

    def _is_text(self, name: str, text: str) -> bool:
        """Return whether the variable is valid UTF-8; Python keeps other bytes as lone surrogates (PEP 383)."""
        if any("\ud800" <= char <= "\udfff" for char in text):
            self._wrong(name, "Not text in UTF-8.")
            return False
        return True

    def _value(self, reader: "_Reader", row: "Field[Any]") -> Any:  # noqa: ANN401 - of the row's type
        name, column = row.name.upper(), row.metadata
        value = getattr(reader, column["parser"])(name, default=column["default"])
        if value is None or value is ... or not column["validate"]:
            return value
        try:
            column["validate"](value)
        except (ValidationError, EnvError, ValueError) as error:
            self._wrong(name, str(error.args[0]))
            return None
        return value

    def _wrong(self, name: str, *sentences: str) -> None:
        self._problems.setdefault(name, []).extend(sentences)


def _text_of(file: Path) -> str:
    """Return the text of a regular file, without its final line break; reading a pipe might never end."""
    if not file.is_file():
        raise FileNotFoundError
    return file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")


class _Reader(Env):
    """environs reading from a given mapping, so that a test's settings can be a dict."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._given = values
        self.add_parser("words", lambda text: tuple(text.replace(",", " ").split()))
        self.add_parser("base_url", lambda text: text.rstrip("/"))
        self.add_parser("upper", str.upper)

    def _get_value(self, env_key: str, default: object) -> object:
        return self._given.get(env_key, default)
