"""Strict JSON (RFC 8259): only documents that every parser reads alike."""

import json
import math
import re
from typing import Any, NoReturn

_DEEPEST = 64
# A text, cut or whole, or a bracket outside of texts. Possessive: else each escape would be kept to come back to.
_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_LONGEST_NUMBER = 4300


class StrictJsonError(ValueError):
    """The bytes are not JSON in UTF-8, or two parsers could read them differently."""


def read(data: bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Return the document in these bytes.

    Raises StrictJsonError for anything but JSON in UTF-8, and for NaN and infinities, numbers of more than 4,300
    digits, duplicate names, lone surrogates, U+0000, and nesting deeper than 64.
    """
    try:
        # Deep nesting takes many brackets, and only an escape can produce a surrogate or U+0000.
        if data.count(b"[") + data.count(b"{") > _DEEPEST:
            _check_depth(data)
        document = _DECODER.decode(data.decode())
        if b"\\u" in data:
            _inspect(document)
    except ValueError as error:
        raise StrictJsonError("not strict JSON") from error
    return document


def _check_depth(data: bytes) -> None:
    """Raise ValueError if what is JSON in the data is nested too deep.

    Python's decoder recurses in C. In 3.13 it takes 10,000 levels, and 9,000 end the process where threads have a
    stack of 1 MB, as on Alpine.
    """
    depth = 0
    for found in _BRACKET.findall(data):
        depth += _STEPS.get(found, 0)
        if depth > _DEEPEST:
            raise ValueError("nested too deep")


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


def _inspect(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("U+0000")
    elif isinstance(value, list | dict):
        for part in value:
            _inspect(part)
        for part in value.values() if isinstance(value, dict) else ():
            _inspect(part)
