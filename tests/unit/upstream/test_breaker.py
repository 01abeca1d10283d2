"""When the circuit breaker lets an attempt through."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.upstream.breaker import Breaker
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.unit.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("chat", 3, clock=clock)


def nothing() -> None:
    """What most attempts do."""


def end(breaker: Breaker, error: Exception | None = None, during: Callable[[], object] = nothing) -> str:
    """Make an attempt that ends so, and tell what its caller gets."""

    def body() -> None:
        during()
        if error:
            raise error

    try:
        with breaker:
            body()
    except Exception as raised:  # noqa: BLE001 - to look at it
        return str(raised)
    return "done"


def fail(breaker: Breaker, times: int = 1) -> None:
    """Make attempts that do not connect."""
    for _ in range(times):
        end(breaker, NothingSentError("refused"))


def test_closed(breaker: Breaker) -> None:
    """At first, and below the threshold, every attempt is made."""
    assert [breaker.open, end(breaker)] == [False, "done"]
    fail(breaker, 2)
    assert [breaker.open, end(breaker)] == [False, "done"]


@pytest.mark.parametrize("threshold", [1, 2, 20])
def test_opens_at_the_threshold(threshold: int, clock: Clock) -> None:
    """That many connect failures in a row open it; from then on no attempt is made."""
    breaker = Breaker("chat", threshold, clock=clock)
    told = [end(breaker, NothingSentError("refused")) for _ in range(threshold)]
    assert (told, breaker.open) == (["refused"] * threshold, True)
    assert [end(breaker), end(breaker, KeyError("never begun"))] == ["circuit_open", "circuit_open"]


@pytest.mark.parametrize(
    "error", [None, NoAnswerError("reset"), NoAnswerError("deadline"), ValueError("x")], ids=str
)
def test_only_failures_in_a_row_count(breaker: Breaker, error: Exception | None) -> None:
    """An attempt that connected, whatever became of it then, shows that the service is there."""
    for _ in range(5):
        fail(breaker, 2)
        end(breaker, error)
    assert not breaker.open


@pytest.mark.parametrize("error", [NoAnswerError("reset"), NoAnswerError("deadline"), ValueError("x")], ids=str)
def test_failures_after_the_first_byte_do_not_count(breaker: Breaker, error: Exception) -> None:
    """A slow or failing service is not spared by guessing that it is away; its errors pass through unchanged."""
    assert [end(breaker, error) for _ in range(100)] == [str(error)] * 100
    assert not breaker.open


def test_open_for_a_second(breaker: Breaker, clock: Clock) -> None:
    """No attempt is made for a second; then one is."""
    fail(breaker, 3)
    clock.now += 0.75
    assert end(breaker) == "circuit_open"
    clock.now += 0.25
    assert [end(breaker), breaker.open, end(breaker)] == ["done", False, "done"]


def test_closed_again_it_counts_from_nothing(breaker: Breaker, clock: Clock) -> None:
    """What happened before it opened is forgotten."""
    fail(breaker, 3)
    clock.now += 1
    end(breaker)
    fail(breaker, 2)
    assert not breaker.open


def test_a_failed_trial_opens_it_for_another_second(breaker: Breaker, clock: Clock) -> None:
    """Counted from the failure, not from the moment when the trial began."""
    fail(breaker, 3)

    def slowly() -> None:
        clock.now += 0.5

    clock.now += 1
    for _ in range(3):
        assert end(breaker, NothingSentError("refused"), slowly) == "refused"
        clock.now += 0.75
        assert end(breaker) == "circuit_open"
        clock.now += 0.25


@pytest.mark.parametrize("error", [NoAnswerError("reset"), ValueError("x")], ids=str)
def test_a_trial_that_connects_closes_it(breaker: Breaker, clock: Clock, error: Exception) -> None:
    """Even if it fails after that."""
    fail(breaker, 3)
    clock.now += 1
    end(breaker, error)
    assert not breaker.open


def test_refusals_do_not_prolong_it(breaker: Breaker, clock: Clock) -> None:
    """However many come while it is open, the trial is due when it is due."""
    fail(breaker, 3)
    for _ in range(7):
        clock.now += 0.125
        assert end(breaker) == "circuit_open"
    clock.now += 0.125
    assert end(breaker) == "done"


def test_one_trial_at_a_time(breaker: Breaker, clock: Clock) -> None:
    """Of twenty threads that come when the second is over, one tries; the others are refused until it ends."""
    fail(breaker, 3)
    clock.now += 1
    together, refused, tried = threading.Barrier(20), threading.Semaphore(0), []

    def come(number: int) -> str:
        together.wait(10)
        try:
            with breaker:
                tried.append(number)
                for _ in range(19):
                    assert refused.acquire(timeout=10)
        except NothingSentError as error:
            refused.release()
            return error.reason
        return "done"

    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(come, range(20)))
    assert (sorted(told), len(tried)) == (["circuit_open"] * 19 + ["done"], 1)
    assert end(breaker) == "done"


def test_a_trial_that_hangs_does_not_last_for_ever(breaker: Breaker, clock: Clock) -> None:
    """After another second the next may try: nothing depends on the end of the first."""
    fail(breaker, 3)
    clock.now += 1
    with breaker:
        assert end(breaker) == "circuit_open"
        clock.now += 1
        with breaker:
            assert end(breaker) == "circuit_open"


def test_attempts_do_not_wait_for_each_other(breaker: Breaker) -> None:
    """Four are under way at once: each goes on only when all have begun."""
    all_begun = threading.Barrier(4)

    def come(_: int) -> str:
        with breaker:
            all_begun.wait(10)
        return "done"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come, range(4))) == ["done"] * 4


def test_failures_of_many_threads_are_all_counted(clock: Clock) -> None:
    """Twenty threads that fail at once open a circuit of twenty."""
    breaker, together = Breaker("chat", 20, clock=clock), threading.Barrier(20)

    def come(_: int) -> str:
        return end(breaker, NothingSentError("refused"), lambda: together.wait(10))

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(come, range(20))) == ["refused"] * 20
    assert breaker.open


def test_the_log_tells_of_each_change_once(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Of which service it opened and closed; neither refusals nor a trial that fails are changes."""
    fail(breaker, 5)
    clock.now += 1
    fail(breaker)
    clock.now += 1
    assert [end(breaker), end(breaker)] == ["done", "done"]
    told = [(record.levelname, record.message, vars(record)["service"]) for record in caplog.records]
    assert told == [("WARNING", "circuit open", "chat"), ("WARNING", "circuit closed", "chat")]
