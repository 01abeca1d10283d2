"""Strict JSON (RFC 8259): only documents that every parser reads alike."""

import json
import math
from typing import Any, NoReturn

_DEEPEST = 64
_LONGEST_NUMBER = 4300


class StrictJsonError(ValueError):
    """The bytes are not JSON in UTF-8, or two parsers could read them differently."""


def read(data: bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return the document in these bytes.

    Raises StrictJsonError for anything but JSON in UTF-8, and for NaN and infinities, numbers of more than 4,300
    digits, duplicate names, lone surrogates, U+0000, and nesting deeper than 64.
    """
    try:
        document = _DECODER.decode(data.decode())
        # Only an escape can produce a surrogate or U+0000, and deep nesting takes many brackets.
        if b"\\u" in data or data.count(b"[") + data.count(b"{") > _DEEPEST:
            _inspect(document, _DEEPEST)
    except (ValueError, RecursionError) as error:
        raise StrictJsonError("not strict JSON") from error
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate name")
    return document


def _integer(text: str) -> int:
    _check_length(text)
    return int(text)


def _real(text: str) -> float:
    _check_length(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number too large")
    return number


def _check_length(text: str) -> None:
    if len(text) > _LONGEST_NUMBER and sum(map(str.isdigit, text)) > _LONGEST_NUMBER:
        raise ValueError("number too long")


def refuse_constant(_: str) -> NoReturn:
    """Raise ValueError for NaN and infinities, which Python's decoder accepts (its `parse_constant`)."""
    raise ValueError("NaN and infinities are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=refuse_constant
)


def _inspect(value: Any, depth: int) -> None:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("U+0000")
    elif isinstance(value, list | dict):
        if depth == 0:
            raise ValueError("nested too deep")
        for part in value:
            _inspect(part, depth - 1)
        for part in value.values() if isinstance(value, dict) else ():
            _inspect(part, depth - 1)
