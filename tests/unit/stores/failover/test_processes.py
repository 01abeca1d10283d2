"""Failover with real servers and real processes."""

import subprocess
import sys

import pytest

from app.stores.failover import FailoverStore
from tests.environs import ROOT
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import Server, wait_for
from tests.unit.stores.shared import SOON

pytestmark = pytest.mark.enable_socket

FORKED = """
import os, threading, sys
from tests.unit.stores.shared import NEVER, Shared
from app.stores.failover import FailoverStore
shared = Shared()
store = FailoverStore(shared, processes=4, probe_every=NEVER)
shared.lost = True
store.hit("a", 30, 60)
before = store.degraded
child = os.fork()
if child == 0:
    here = [store.degraded, threading.active_count()]
    remaining = store.hit("a", 30, 60).remaining
    print(before, here, remaining, store.degraded, threading.active_count(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
store.close()
"""


def test_a_fork_starts_afresh() -> None:
    """A child has the state, the windows and the thread of its own, not those of its parent."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "True [False, 1] 6 True 2\n"


ENDING = """
from tests.unit.stores.shared import NEVER, Shared
from app.stores.failover import FailoverStore
shared = Shared()
store = FailoverStore(shared, processes=4, probe_every=NEVER)
shared.lost = True
store.hit("a", 30, 60)
"""


def test_a_process_that_ends_does_not_wait_for_the_store() -> None:
    """A worker that stops has answered its requests: the thread that looks for the store ends with it."""
    assert subprocess.run([sys.executable, "-c", ENDING], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_a_killed_server_and_its_return(own_valkey: Server) -> None:
    """On a real server: no hit fails, and the next window is shared again."""
    store = FailoverStore(open_store(f"redis://{own_valkey.address}"), processes=2, probe_every=SOON)
    store.hit("a", 30, 60)
    own_valkey.kill()
    alone = [store.hit("a", 30, 60).remaining for _ in range(2)]
    own_valkey.start()
    wait_for(lambda: not store.degraded)
    together = store.hit("a", 30, 60)
    store.close()

    assert alone == [14, 13]
    assert together.remaining == 29


def test_a_hung_server_and_its_return(own_valkey: Server) -> None:
    """On a real server that keeps its connections but answers nothing."""
    store = FailoverStore(open_store(f"redis+unix://{own_valkey.socket}"), processes=2, probe_every=SOON)
    store.hit("a", 30, 60)
    own_valkey.pause()
    alone = [store.hit("b", 30, 60).remaining for _ in range(2)]
    own_valkey.resume()
    wait_for(lambda: not store.degraded)
    together = store.hit("c", 30, 60)
    store.close()

    assert alone == [14, 13]
    assert together.remaining == 29
