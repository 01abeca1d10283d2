import json
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.strict_json import StrictJsonError, read

ROOT = Path(__file__).resolve().parents[2]
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
    "many brackets in a text": (b'{"a": "' + b"[{" * 5000 + b'"}', {"a": "[{" * 5000}),
    "one name in two objects": (b'[{"a": 1}, {"a": {"a": 2}}]', [{"a": 1}, {"a": {"a": 2}}]),
}
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "white space alone": b" \n",
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "something behind": b"{} x",
    "two documents": b"{}{}",
    "two lines of JSON": b"{}\n{}",
    "cut": b'{"a": "b',
    "no quotes": b"{a: 1}",
    "single quotes": b"{'a': 1}",
    "a comma too many": b"[1,]",
    "a comma too many in an object": b'{"a": 1,}',
    "a comment": b"/* */ {}",
    "a form": b"message_body=Hello",
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "too large for a double": b"1e400",
    "too small a negative double": b"-1.5E+999",
    "an integer of 4,301 digits": b"1" + b"0" * 4300,
    "a fraction of 4,301 digits": b"0." + b"1" * 4300,
    "an exponent of 4,301 digits": b"1e" + b"0" * 4300,
    "a zero in front": b"01",
    "a plus in front": b"+1",
    "a bare point": b"1.",
    "hexadecimal": b"0x10",
    "an underscore": b"1_000",
    "Arabic digits": "[\u0663]".encode(),
    "a name twice": b'{"a": 1, "b": 2, "a": 1}',
    "a name twice, once escaped": rb'{"a": 1, "\u0061": 2}',
    "a name twice, deep inside": b'[[{"a": {"b": 1, "b": 2}}]]',
    "a lone high surrogate": rb'"\ud800"',
    "a lone low surrogate": rb'["a", "\udfff"]',
    "surrogates the wrong way round": rb'"\ude00\ud83d"',
    "a high surrogate and a letter": rb'{"a": {"b": "\uD83Dx"}}',
    "a lone surrogate in a name": rb'{"\ud800": 1}',
    "U+0000": rb'"\u0000"',
    "U+0000 in a name": rb'{"a": [{"a\u0000b": 1}]}',
    "U+0000 among objects": rb'[{"a": ["b", "c\u0000"]}]',
    "a raw NUL": b'"\0"',
    "a raw line break": b'"a\nb"',
    "a raw tab": b'"a\tb"',
    "a short escape": rb'"\u00e"',
    "an unknown escape": rb'"\x41"',
    "a long escape": rb'"\U0001F600"',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "an overlong encoding": b'"\xc0\x80"',
    "latin-1": '"é"'.encode("latin-1"),
    "cut inside a character": b'"\xf0\x9f\x98',
    "above U+10FFFF": b'"\xf4\x90\x80\x80"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16LE": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32BE": '{"a": 1}'.encode("utf-32-be"),
    "65 levels of arrays": b"[" * 65 + b"]" * 65,
    "65 levels of objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "65 levels of both": b'[{"a":' * 32 + b"[]" + b"}]" * 32,
    "65 levels behind brackets in a text": b'["]]]]",' * 64 + b"[]" + b"]" * 64,
    "60,000 levels": b"[" * 60_000,
    "60,000 levels, closed": b'{"a":' * 60_000 + b"1" + b"}" * 60_000,
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
