"""What only the store in memory promises."""

from app.stores.memory import MemoryStore


def test_the_least_recently_used_window_is_dropped_first() -> None:
    """Memory is bounded: for a key too many, the one that was hit longest ago gets a fresh window."""
    store = MemoryStore(most_keys=2)
    store.hit("old", 1, 60)
    store.hit("used", 1, 60)
    store.hit("old", 1, 60)
    store.hit("new", 1, 60)

    assert store.hit("old", 1, 60).admitted is False
    assert store.hit("used", 1, 60).admitted is True


def test_the_clock_is_given() -> None:
    """`reset_at` is on the clock that the store was made with."""
    assert MemoryStore(lambda: 1000.25).hit("a", 30, 60).reset_at == 1061
