"""Each row of the table of rehearsals, as an integrator would run it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox.calls import as_curl
from app.sandbox.rehearsals import REHEARSALS, Rehearsal
from tests.system.sandbox.launched import Launched, launched, needs_curl, shell

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are followed through /proc and pidfd"),
    needs_curl,
]
SILENCES = {"deaf": "deadline", "dead": "closed", "faded": "cut"}
SILENT = [row for row in REHEARSALS if row.call.conversation.rpartition("0")[2] in SILENCES]
AS_RUN = [row for row in REHEARSALS if not row.needs and row not in SILENT]
WITH_OPTIONS = [row for row in REHEARSALS if row.needs]


@pytest.fixture(scope="module")
def rehearsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """A sandbox whose deadline is nearer, and still beyond the slowest answer."""
    with launched(tmp_path_factory.mktemp("rehearsing"), "--set", "CHAT_TIMEOUT_SECONDS=5") as launcher:
        launcher.read_until_ready()
        yield launcher


def answer_to(row: Rehearsal, sandbox: Launched) -> tuple[str, bool]:
    """The last answer as the table writes it, and whether it has a Retry-After."""
    (status, *lines), body = shell(as_curl(row.call, sandbox.var, sandbox.port))
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    words = (status.split()[1], headers.get("x-send-outcome"), json.loads(body).get("code"))
    return " ".join(word for word in words if word), "retry-after" in headers


@pytest.mark.parametrize("row", AS_RUN, ids=lambda row: row.title)
def test_a_call_is_answered_as_the_table_says(rehearsing: Launched, row: Rehearsal) -> None:
    """Status, outcome, code, and Retry-After or none."""
    assert answer_to(row, rehearsing) == (row.answer, row.retry_after)


@pytest.mark.parametrize("row", WITH_OPTIONS, ids=lambda row: row.title)
def test_so_is_one_that_needs_another_setting(tmp_path: Path, row: Rehearsal) -> None:
    """The sandbox is run with the options that the table names."""
    with launched(tmp_path / "var", *row.needs.split()) as sandbox:
        sandbox.read_until_ready()
        assert answer_to(row, sandbox) == (row.answer, row.retry_after)


def test_a_repetition_is_marked(rehearsing: Launched) -> None:
    """The second row's answer is the first one again."""
    (_, *headers), _ = shell(as_curl(REHEARSALS[1].call, rehearsing.var, rehearsing.port))
    assert "Idempotent-Replayed: true" in headers


@pytest.mark.parametrize("row", SILENT, ids=lambda row: row.title)
def test_each_silence_is_of_its_own_kind(rehearsing: Launched, row: Rehearsal) -> None:
    """They are answered as the table says, all alike; the service's log tells them apart."""
    assert answer_to(row, rehearsing) == (row.answer, row.retry_after)
    log = [json.loads(line) for line in (rehearsing.var / "service.log").read_text().splitlines()]
    reasons = [line["reason"] for line in log if line.get("code") == "SEND_OUTCOME_UNKNOWN"]
    assert reasons[-1] == SILENCES[row.call.conversation.rpartition("0")[2]]


def test_a_silence_is_no_fault_of_the_sandbox(tmp_path: Path) -> None:
    """The service resets what it gave up waiting for; the terminal shows no traceback of the stand-in."""
    with launched(tmp_path / "var", "--set", "CHAT_TIMEOUT_SECONDS=1") as sandbox:
        sandbox.read_until_ready()
        for row in SILENT:
            answer_to(row, sandbox)
        sandbox.process.terminate()
        shown, _ = sandbox.process.communicate(timeout=60)
    assert shown == ""
