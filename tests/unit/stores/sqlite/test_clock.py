"""Windows by a clock that has only milliseconds."""

import time

from app.stores.sqlite import SqliteStore

SECOND, MILLISECOND = 1_000_000_000, 1_000_000


def within_a_millisecond() -> int:
    """Return the time, in nanoseconds, when about half of one is over."""
    while not 0.4 <= (now := time.time_ns()) % MILLISECOND / MILLISECOND <= 0.6:
        pass
    return now


def test_no_window_is_shorter_than_it_is_said_to_be(store: SqliteStore) -> None:
    """The next admission is a whole second after the one before, not only after the stamp of that."""
    store.hit("somebody", 1, 1)
    begun = {}
    for number in range(50):
        begun[f"user:{number}"] = within_a_millisecond()
        store.hit(f"user:{number}", 1, 1)
    for user, moment in begun.items():
        while not store.hit(user, 1, 1).admitted:
            pass
        assert time.time_ns() - moment >= SECOND
