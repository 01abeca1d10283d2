"""What only the store in memory promises."""

import pytest

from app.stores import KEPT_SECONDS, ClaimState, StoreLostError
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


def test_a_store_that_is_full_of_keys_knows_them() -> None:
    """It takes no further one until one has ended; those that it has can be repeated, and claimed again."""
    now = 1000.0
    store = MemoryStore(lambda: now, most_keys=2)
    for key in ("first", "second"):
        store.claim(key, "fingerprint", "owner", lease=10, again=False)
    store.settle("second", "fingerprint", "owner", "sent", b"answer")
    now += 11
    assert store.claim("second", "fingerprint", "another", lease=10, again=False).answer == b"answer"
    assert store.claim("first", "fingerprint", "another", lease=10, again=True).state is ClaimState.NEW
    with pytest.raises(StoreLostError, match="full"):
        store.claim("third", "fingerprint", "owner", lease=10, again=False)

    # The second has ended, the first was claimed later.
    now += KEPT_SECONDS
    assert store.claim("third", "fingerprint", "owner", lease=10, again=False).state is ClaimState.NEW


def test_the_clock_is_given() -> None:
    """`reset_at` is on the clock that the store was made with."""
    assert MemoryStore(lambda: 1000.25).hit("a", 30, 60).reset_at == 1061
