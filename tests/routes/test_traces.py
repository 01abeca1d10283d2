"""W3C Trace Context: which traces of callers go on here, and what of them is passed on."""

import json
import re
from typing import NamedTuple

import pytest

from tests.conftest import Caller
from tests.people import ACME, CONVERSATION, bearer
from tests.wire import Wire

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
IDS = f"{TRACE}-{PARENT}"
GOOD = ("traceparent", f"00-{IDS}-01")


class Passed(NamedTuple):
    """The trace context that a service behind was given."""

    trace: str
    parent: str
    flags: str
    tracestate: str | None


def passed_on(caller: Caller, wire: Wire, *headers: tuple[str, str]) -> Passed:
    """What the chat service gets when a caller sends these headers, some of them perhaps twice."""
    path = f"/v1/send-message/{ACME}/{CONVERSATION}"
    sent = caller.client.post(path, headers=[*bearer().items(), *headers], json={"message_body": "Hello"})
    assert sent.status_code == 200
    given = wire.chats[-1].headers
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", str(given["traceparent"]))
    assert match is not None
    return Passed(match[1], match[2], match[3], given.get("tracestate"))


def test_a_callers_trace_goes_on(caller: Caller, wire: Wire) -> None:
    """With a parent of ours, the same for both services behind and another for each request."""
    first, second = (passed_on(caller, wire, GOOD) for _ in range(2))
    assert (first.trace, first.flags, first.tracestate) == (TRACE, "01", None)
    assert len({PARENT, first.parent, second.parent}) == 3
    assert wire.lookups[0].headers["traceparent"] == f"00-{TRACE}-{first.parent}-01"


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ("00", "00"),
        ("02", "02"),
        ("03", "03"),
        pytest.param("ff", "03", id="unknown flags are set to zero"),
        pytest.param("fc", "00", id="unknown flags alone"),
    ],
)
def test_flags(caller: Caller, wire: Wire, given: str, flags: str) -> None:
    """Sampled and random are the caller's to say; the others are reserved (section 3.2.2.5)."""
    assert passed_on(caller, wire, ("traceparent", f"00-{IDS}-{given}")).flags == flags


@pytest.mark.parametrize("value", [f"cc-{IDS}-01", f"01-{IDS}-01-", f"fe-{IDS}-01-what-is-to-come.-"])
def test_later_versions_are_read_as_version_00(caller: Caller, wire: Wire, value: str) -> None:
    """Whatever they have behind the flags stays here (section 4.3)."""
    passed = passed_on(caller, wire, ("traceparent", value), ("tracestate", "a=1"))
    assert (passed.trace, passed.flags, passed.tracestate) == (TRACE, "01", "a=1")


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"ff-{IDS}-01",
        f"00-{IDS}-01-",
        f"00-{IDS}-01-more",
        f"cc-{IDS}-01.more",
        f"cc-{IDS}-01more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT.upper()}-01",
        f"0A-{IDS}-01",
        f"00-{IDS}-0A",
        f"00-{IDS}-1",
        f"0-{IDS}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}0-{PARENT}-01",
        f"00-{TRACE}-{PARENT[1:]}-01",
        f"00-{IDS}",
        f"00_{TRACE}_{PARENT}_01",
        f"00-{TRACE[1:]}g-{PARENT}-01",
        f"00-{TRACE[1:]}\u0661-{PARENT}-01".encode().decode("latin-1"),
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(caller: Caller, wire: Wire, value: str) -> None:
    """One that nobody has decided to sample; its tracestate belongs to the trace that is not gone on with."""
    passed = passed_on(caller, wire, ("traceparent", value), ("tracestate", "a=1"))
    assert passed.trace not in {TRACE, "0" * 32}
    assert passed.parent not in {PARENT, "0" * 16}
    assert (passed.flags, passed.tracestate) == ("00", None)


def test_two_traceparents_are_none(caller: Caller, wire: Wire) -> None:
    """Not even where they are the same."""
    passed = passed_on(caller, wire, GOOD, GOOD, ("tracestate", "a=1"))
    assert passed.trace != TRACE
    assert passed.tracestate is None


def test_without_a_trace_each_request_begins_one(caller: Caller, wire: Wire) -> None:
    """Also where there is a tracestate, which means nothing by itself."""
    first, second = (passed_on(caller, wire, ("tracestate", "a=1")) for _ in range(2))
    assert first.trace != second.trace
    assert (first.flags, first.tracestate) == ("00", None)


LONGEST = f"a={'x' * 253},b={'y' * 254}"


@pytest.mark.parametrize(
    "value",
    [
        "a=1",
        "tenant@system=v w!",
        "0_-*/@a=~;:<>",
        "b=2,a=1,b=3",
        "a=1 \t,\t b=2",
        "a=1,,b=2",
        ",".join(f"k{n}=v" for n in range(32)),
        pytest.param(LONGEST, id="512 characters"),
    ],
)
def test_a_tracestate_is_passed_on_as_it_came(caller: Caller, wire: Wire, value: str) -> None:
    """In its order, with keys that nobody here knows."""
    assert passed_on(caller, wire, GOOD, ("tracestate", value)).tracestate == value


def test_several_tracestates_are_one(caller: Caller, wire: Wire) -> None:
    """In their order (RFC 9110 section 5.3); and together they have the length of one."""
    passed = passed_on(caller, wire, GOOD, ("tracestate", "a=1"), ("tracestate", "b=2,c=3"))
    assert str(passed.tracestate).replace(" ", "") == "a=1,b=2,c=3"
    assert passed_on(caller, wire, GOOD, ("tracestate", LONGEST), ("tracestate", "c=3")).tracestate is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "a=",
        "=1",
        "A=1",
        "a b=1",
        "a=1=2",
        "a=\u00fc",
        "a=1\x7f",
        "a=1,b",
        "a" * 257 + "=1",
        "a=" + "x" * 257,
        ",".join(f"k{n}=v" for n in range(33)),
        pytest.param(LONGEST + "z", id="513 characters"),
        # Whoever tries every way to share out the blanks is at it for ever, with every thread waiting.
        pytest.param(",".join([" " * 15] * 30) + ",!", id="blanks"),
    ],
)
def test_what_is_no_tracestate_ends_here(caller: Caller, wire: Wire, value: str) -> None:
    """As a whole; the trace itself goes on (section 4.3)."""
    passed = passed_on(caller, wire, GOOD, ("tracestate", value))
    assert (passed.trace, passed.tracestate) == (TRACE, None)


@pytest.mark.parametrize("headers", [{}, dict([GOOD])], ids=["a new trace", "a caller's"])
def test_the_ids_are_in_the_log(
    caller: Caller, wire: Wire, capsys: pytest.CaptureFixture[str], headers: dict[str, str]
) -> None:
    """Those that the chat service was given, and the request id of the answer."""
    answer = caller.send(headers=headers)
    lines = map(json.loads, capsys.readouterr().err.splitlines())
    (line,) = [line for line in lines if line.get("request_id") == answer.headers["X-Request-ID"]]
    (chat,) = wire.chats
    assert str(chat.headers["traceparent"]).split("-")[1:3] == [line["trace_id"], line["span_id"]]
    assert chat.headers["X-Request-ID"] == line["request_id"]
