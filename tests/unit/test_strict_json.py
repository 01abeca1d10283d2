"""The JSON of callers and tokens: no two parsers can differ about what is taken."""

import json
import math
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.strict_json import StrictJsonError, read
from tests.environs import ROOT
from tests.unit.not_json import REFUSED

# Reads deep documents in a thread with a stack of 128 KB, musl's default.
ON_A_SMALL_STACK = """\
import threading
from app.strict_json import StrictJsonError, read

def refuse():
    for document in (b"[" * 60_000, b'{"a":' * 60_000, b'{"]":[' * 9_000):
        try:
            read(document)
        except StrictJsonError:
            print("refused")

threading.stack_size(131_072)
threading.Thread(target=refuse).start()
"""


ACCEPTED: dict[str, tuple[bytes, object]] = {
    "an object": (
        b'{"message_body": "Hello", "template_id": null}',
        {"message_body": "Hello", "template_id": None},
    ),
    "an empty object": (b"{}", {}),
    "white space around": (b' \t\r\n{"a" : [ 1 , true ]} \n', {"a": [1, True]}),
    "a bare value": (b'"text"', "text"),
    "astral characters": ('"😀\U0010ffff"'.encode(), "😀\U0010ffff"),
    "an escaped surrogate pair": (rb'"\ud83d\ude00"', "😀"),
    "escapes": (rb'"\"\\\/\b\f\n\r\t\u00e9\u0001"', '"\\/\b\f\n\r\té\x01'),
    "an escaped backslash before u": (rb'"\\u0000 \\ud800"', r"\u0000 \ud800"),
    "U+FEFF inside": ('"a\ufeffb"'.encode(), "a\ufeffb"),
    "noncharacters": ('"\uffff\ufdd0\u2028"'.encode(), "\uffff\ufdd0\u2028"),
    "combining characters as they came": ('"e\u0301é"'.encode(), "e\u0301é"),
    "a long integer": (b"9" * 4300, int("9" * 4300)),
    "a long fraction": (b"0." + b"1" * 4298, 1 / 9),
    "the largest double": (b"1.7976931348623157e308", 1.7976931348623157e308),
    "too small for a double": (b"1e-999", 0.0),
    "minus zero": (b"-0", 0),
    "64 levels of arrays": (b"[" * 64 + b"]" * 64, None),
    "64 levels of objects": (b'{"a":' * 64 + b"1" + b"}" * 64, None),
    "many arrays side by side": (b"[" + b"[]," * 999 + b"[]]", [[]] * 1000),
    "many objects side by side": (b"[" + b"{}," * 999 + b"{}]", [{}] * 1000),
    "64 levels of arrays, and one beside": (b"[[]," + b"[" * 63 + b"]" * 64, None),
    "64 levels of objects, and one beside": (b'{"b":{},"a":' + b'{"a":' * 63 + b"1" + b"}" * 64, None),
    "many brackets in a text": (b'{"a": "' + b"[{" * 5000 + b'"}', {"a": "[{" * 5000}),
    "one name in two objects": (b'[{"a": 1}, {"a": {"a": 2}}]', [{"a": 1}, {"a": {"a": 2}}]),
}
LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | LETTERS,
    lambda inner: st.lists(inner) | st.dictionaries(LETTERS, inner),
)


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    """What RFC 8259 allows, and every reader understands alike, is read as it is."""
    data, value = ACCEPTED[case]
    assert read(data) == (json.loads(data) if value is None else value)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """What is no JSON in UTF-8, or what two readers could understand in two ways, is StrictJsonError alone."""
    with pytest.raises(StrictJsonError):
        read(REFUSED[case])


def test_depth_is_judged_before_anything_recurses() -> None:
    """Python's decoder ends the process where its own limit takes more stack than a thread has."""
    command = [sys.executable, "-c", ON_A_SMALL_STACK]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.stdout.split(), ended.returncode) == (["refused"] * 3, 0)


def test_judging_the_depth_takes_no_memory() -> None:
    """A text of 500,000 escapes would take 60 bytes for each byte if one could be taken back."""
    data = b'["' + rb"\n" * 500_000 + b'"' + b",[]" * 64 + b"]"
    tracemalloc.start()
    try:
        read(data)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(data)
    finally:
        tracemalloc.stop()


def test_the_text_of_the_error() -> None:
    """It shows nothing of the document, which may hold what a log must not."""
    with pytest.raises(StrictJsonError) as caught:
        read(b'{"canary": 1, "canary": 2}')
    assert str(caught.value) == "not strict JSON"


@pytest.mark.parametrize("number", [b"-" + b"9" * 4300, b"0." + b"1" * 4299], ids=["sign", "point"])
def test_only_digits_are_counted(number: bytes) -> None:
    """A number of 4,300 digits is not of more than 4,300."""
    assert read(number) == json.loads(number)


def test_long_numbers_whatever_python_takes() -> None:
    """Where Python's own limit is lifted (PYTHONINTMAXSTRDIGITS=0), ours is still there."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(StrictJsonError):
            read(REFUSED["an integer of 4,301 digits"])
    finally:
        sys.set_int_max_str_digits(limit)


@given(VALUES, st.booleans())
def test_what_python_writes_is_read(value: object, escaped: bool) -> None:  # noqa: FBT001 - drawn
    """Every JSON value comes back as it was written, escaped or not."""
    assert read(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary() | st.text(alphabet='[]{}",:\\u0d8eE+-. 1aN').map(str.encode))
def test_nothing_else_is_raised(data: bytes) -> None:
    """Whatever anybody sends is read as Python reads it, or StrictJsonError."""
    try:
        value = read(data)
    except StrictJsonError:
        return
    assert value == json.loads(data)
    assert not (isinstance(value, float) and math.isnan(value))
