"""Stores that are lost and come back: files, single servers, a cluster, and a master that sentinels watch."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.unit.stores.databases import held
from tests.unit.stores.servers import (
    Server,
    cluster_url,
    clustered,
    replicated,
    sentinel_url,
    server,
    tell,
    wait_for,
)


@dataclass(frozen=True)
class Loss:
    """A store, and how it is lost and comes back.

    `keeps` tells whether it then knows what it knew, `heals` whether it comes back by itself.
    """

    url: str
    lose: Callable[[], object]
    restore: Callable[[], object]
    keeps: bool = True
    heals: bool = False


@contextmanager
def valkey_killed(folder: Path) -> Iterator[Loss]:
    """A server without persistence is killed and started again."""
    with server(folder) as valkey:
        yield Loss(f"redis://{valkey.address}/0", valkey.kill, valkey.start, keeps=False)


@contextmanager
def valkey_stopped(folder: Path) -> Iterator[Loss]:
    """A server keeps its connections and answers nothing (SIGSTOP)."""
    with server(folder) as valkey:
        yield Loss(f"redis://{valkey.address}/0", valkey.pause, valkey.resume)


@contextmanager
def file_held(folder: Path) -> Iterator[Loss]:
    """Another process keeps the SQLite file to itself."""
    path, stack = folder / "held.sqlite3", ExitStack()
    with stack:
        yield Loss(f"sqlite:///{path}", lambda: stack.enter_context(held(path, "EXCLUSIVE")), stack.close)


@contextmanager
def disk_full(folder: Path) -> Iterator[Loss]:
    """The file system of the SQLite file has no room left; needs root, because it is mounted for this."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)  # noqa: S607
    filler = disk / "filler"
    try:
        # Who writes the store's log down has its room back, and can record keys until that is used up.
        yield Loss(f"sqlite:///{disk}/state.sqlite3", lambda: _fill(filler), filler.unlink, heals=True)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # noqa: S607


def _fill(filler: Path) -> None:
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@contextmanager
def node_killed(folder: Path) -> Iterator[Loss]:
    """One of three masters of a cluster is killed and started again, without persistence."""
    with clustered(folder) as nodes:
        yield Loss(cluster_url(nodes), nodes[1].kill, lambda: _start(nodes), keeps=False)


@contextmanager
def node_stopped(folder: Path) -> Iterator[Loss]:
    """One of three masters of a cluster answers nothing for a while."""
    with clustered(folder) as nodes:
        yield Loss(cluster_url(nodes), nodes[1].pause, nodes[1].resume)


@contextmanager
def master_killed(folder: Path) -> Iterator[Loss]:
    """A master is killed, and the sentinel lets its replica take over."""
    with replicated(folder) as (master, _, sentinel):
        yield Loss(sentinel_url(sentinel), master.kill, lambda: None, heals=True)


def _start(nodes: list[Server]) -> None:
    nodes[1].start()
    for node in nodes:
        wait_for(lambda node=node: "cluster_state:ok" in str(tell(node, "CLUSTER INFO")))  # type: ignore[misc]


def can_mount() -> bool:
    """Whether `disk_full` can be tried here."""
    return os.geteuid() == 0


LOSSES = {
    "Valkey killed": valkey_killed,
    "Valkey stopped": valkey_stopped,
    "SQLite file held": file_held,
    "disk full": disk_full,
    "cluster node killed": node_killed,
    "cluster node stopped": node_stopped,
    "sentinel failover": master_killed,
}
