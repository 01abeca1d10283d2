"""Whether a store is lost, as those notice who use it."""

import os
import time

import pytest

from app.stores import Store, StoreLostError
from tests.unit.stores.servers import PATIENCE

LONG = 2.0


def lost(store: Store, key: str = "a") -> str:
    """The word with which the store is lost; soon, or the test fails."""
    began = time.monotonic()
    with pytest.raises(StoreLostError) as caught:
        store.hit(key, 30, 60)
    assert time.monotonic() - began < LONG
    return str(caught.value)


def patiently(store: Store) -> int:
    """What remains after a hit; again, for another, if it took too long: on a busy machine a handshake may."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return store.hit(os.urandom(8).hex(), 30, 60).remaining
        except StoreLostError as error:
            if str(error) != "TimeoutError" or time.monotonic() > until:
                raise
