"""The rule of a window, against a model that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from app.stores.memory import MemoryStore
from app.stores.records import SECOND, admit, decide

STEPS = st.lists(st.tuples(st.integers(0, 4 * SECOND), st.integers(1, 5), st.sampled_from("ab")), max_size=60)
WINDOW = 3
START = 1_700_000_000 * SECOND


class Clock:
    """Stands where it is put; microseconds, read as the seconds that a store wants."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """As `time.time`."""
        # Half a microsecond more, so that no rounding of the float brings it back to the one before.
        return (self.now + 0.5) / SECOND


@given(STEPS)
def test_a_store_decides_as_the_definition_says(steps: list[tuple[int, int, str]]) -> None:
    """A hit is admitted if fewer than `limit` admissions of its key lie in the window that ends with it."""
    clock = Clock()
    store = MemoryStore(clock)
    past: dict[str, list[int]] = {"a": [], "b": []}
    for pause, limit, key in steps:
        clock.now += pause
        inside = [moment for moment in past[key] if moment > clock.now - WINDOW * SECOND]
        expected = len(inside) < limit
        if expected:
            past[key].append(clock.now)

        decision = store.hit(key, limit, WINDOW)

        assert decision.admitted == expected
        assert decision.remaining == max(0, limit - len(inside) - expected)


@given(STEPS, st.integers(1, 5))
def test_what_is_promised_comes_true(steps: list[tuple[int, int, str]], limit: int) -> None:
    """One microsecond before the slot frees a refused hit is refused again; after `retry_after` it is admitted."""
    stamps, now, window = "", START, WINDOW * SECOND
    for pause, _, _ in steps:
        now += pause
        _, stamps = admit(stamps, now, limit, window)
    decision = decide(admitted=False, now=now, stamps=stamps, limit=limit, window=window)

    assert admit(stamps, now + decision.retry_after * SECOND, limit, window)[0]
    assert admit(stamps, decision.reset_at * SECOND, limit, window)[0]
    if decision.remaining == 0 and decision.retry_after > 1:
        assert not admit(stamps, now + (decision.retry_after - 1) * SECOND - 1, limit, window)[0]


def test_an_admission_leaves_after_exactly_one_window() -> None:
    """At 3 s the admission at 0 s no longer counts, a microsecond earlier it does."""
    _, stamps = admit("", START, 1, WINDOW * SECOND)

    assert admit(stamps, START + WINDOW * SECOND - 1, 1, WINDOW * SECOND)[0] is False
    assert admit(stamps, START + WINDOW * SECOND, 1, WINDOW * SECOND)[0] is True


def test_a_record_is_as_long_as_its_limit() -> None:
    """However many admissions there were, a key costs 16 characters for each of the limit."""
    stamps = ""
    for second in range(100):
        _, stamps = admit(stamps, START + second * SECOND, 5, SECOND)

    assert len(stamps) == 5 * 16


def test_a_clock_that_steps_back_far_locks_nobody_out() -> None:
    """A record from more than a window in the future is forgotten."""
    _, stamps = admit("", START, 1, WINDOW * SECOND)
    long_ago = START - WINDOW * SECOND - 1

    assert admit(stamps, long_ago, 1, WINDOW * SECOND) == (True, str(long_ago))


def test_stamps_never_run_backwards() -> None:
    """After a small step back the next admission gets the time of the one before it."""
    _, stamps = admit("", START, 2, WINDOW * SECOND)

    assert admit(stamps, START - 1, 2, WINDOW * SECOND) == (True, str(START) * 2)
