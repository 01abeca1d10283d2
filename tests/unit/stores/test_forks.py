"""A store that was used before a fork is as good after it."""

import subprocess
import sys

import pytest

from app.stores.pool import Pool
from tests.environs import ROOT

pytestmark = pytest.mark.enable_socket

# The parent forks at the worst moment: with a connection open, and with the lock of the memory store held.
FORKED = """
import os, sys
from app.stores.memory import MemoryStore
from tests.unit.stores.opened import open_store
store = open_store(sys.argv[1])
store.hit("a", 30, 60)
locks = [store._records.get().lock] if isinstance(store, MemoryStore) else []
for lock in locks:
    lock.acquire()
child = os.fork()
if child == 0:
    print("child", store.hit("a", 30, 60).remaining, flush=True)
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for lock in locks:
    lock.release()
print("parent", store.hit("a", 30, 60).remaining)
store.close()
"""


def forked(url: str) -> list[str]:
    command = [sys.executable, "-c", FORKED, url]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()


def test_a_shared_window_is_shared_over_a_fork(shared_url: str) -> None:
    """Parent and child count on in the same window, each on connections of its own."""
    assert forked(shared_url) == ["child 28", "parent 27"]


def test_memory_is_not_shared_over_a_fork() -> None:
    """A child starts empty, even if another thread held the lock when it was made."""
    assert forked("memory://") == ["child 29", "parent 28"]


def test_a_connection_is_used_again_unless_its_user_failed() -> None:
    """After an error nobody knows what is still to be read from it."""
    made = iter(range(10))
    closed: list[int] = []
    pool = Pool(lambda: next(made), closed.append)
    lent = []
    for _ in range(2):
        with pool.lend() as connection:
            lent.append(connection)
    with pytest.raises(KeyboardInterrupt), pool.lend():
        raise KeyboardInterrupt
    with pool.lend() as connection:
        lent.append(connection)
    pool.close()

    assert lent == [0, 0, 1]
    assert closed == [0, 1]
