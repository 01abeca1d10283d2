"""Slots for those who wait: so many, taken without waiting, and never lost."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from app.errors import OverloadedError
from app.upstream.slots import Slots


@pytest.mark.parametrize("count", [1, 2, 24])
def test_as_many_as_there_are(count: int) -> None:
    """So many may be taken at once, and not one more; one that is given back can be taken again."""
    slots = Slots(count)
    for _ in range(2):
        with ExitStack() as held:
            for _ in range(count):
                held.enter_context(slots)
            with pytest.raises(OverloadedError), slots:
                pytest.fail("there was one too many")


@pytest.mark.parametrize("error", [ValueError, OverloadedError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_given_back_after_any_end(error: type[BaseException]) -> None:
    """Whatever happens to its holder, a slot is not lost."""
    slots = Slots(1)
    for _ in range(3):
        with pytest.raises(error), slots:
            raise error


# In a process of its own, in which nothing traces it (coverage is told by the environment): that needs memory too.
WITHOUT_MEMORY = """
import _testcapi
from app.upstream.slots import Slots

slots = Slots(24)
for _ in range(24):
    slots.__enter__()
ends = iter([slots.__exit__] * 24)
_testcapi.set_nomemory(0)
try:
    for end in ends:
        end(None, None, None)
finally:
    _testcapi.remove_mem_hooks()
    print(slots.in_use)
"""


def test_given_back_without_memory() -> None:
    """Where no allocation succeeds: a slot that is not given back is lost until the process ends."""
    pytest.importorskip("_testcapi")
    command = [sys.executable, "-c", WITHOUT_MEMORY]
    ended = subprocess.run(command, env={}, capture_output=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == (b"0\n", b"")


def test_a_refusal_gives_nothing_back() -> None:
    """Those who got none do not free the slots of others."""
    slots = Slots(1)
    with slots:
        for _ in range(3):
            with pytest.raises(OverloadedError), slots:
                pytest.fail("there was one too many")
    with slots:
        pass


def test_nobody_waits() -> None:
    """Of twenty threads at once eight get a slot; the others are refused while the eight still hold theirs."""
    slots, together, refused = Slots(8), threading.Barrier(20), threading.Barrier(20)

    def come(_: int) -> str:
        together.wait(10)
        try:
            with slots:
                refused.wait(10)
        except OverloadedError:
            refused.wait(10)
            return "refused"
        return "held"

    with ThreadPoolExecutor(20) as pool:
        told = sorted(pool.map(come, range(20)))
    assert told == ["held"] * 8 + ["refused"] * 12
