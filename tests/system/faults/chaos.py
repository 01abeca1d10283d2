"""The long form of the fault laboratory: `python -m tests.system.faults.chaos [--seed N] [--only WORD]`.

Prints what each scene measured, and exits with 1 if any of them saw a promise broken. It stops by itself.
"""

import argparse
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

from tests.system.faults.crowds import WAYS, crowd
from tests.system.faults.deadlines import nobody_listens, slow_service
from tests.system.faults.deaths import (
    killed_master,
    killed_workers,
    replaced_workers,
    terminated,
    worn_out_workers,
)
from tests.system.faults.keepalive import keepalive_race
from tests.system.faults.keys import keyed_sends, storm
from tests.system.faults.losses import LOSSES, can_mount
from tests.system.faults.sends import sends
from tests.system.faults.stage import Report, Stage
from tests.system.faults.stores import busy_store, failover_forgets, lost_store

Scene = Callable[[Stage], Report]


def scenes() -> Iterator[tuple[str, Scene]]:
    """All scenes at full length, by names that `--only` looks into."""
    yield "sends", partial(sends, count=10_000, callers=32)
    yield "keys", partial(keyed_sends, count=2_000, callers=32)
    yield "storm", partial(storm, keys=50, callers=20)
    yield "deaths: workers", partial(killed_workers, kills=30, every=2)
    yield "deaths: master and workers", partial(killed_master, alone=False)
    yield "deaths: master", partial(killed_master, alone=True)
    yield "deploys: SIGHUP", partial(replaced_workers, times=3)
    yield "deploys: max_requests", partial(worn_out_workers, seconds=20)
    yield "deploys: SIGTERM", partial(terminated, sends=24)
    for callers in (4, 8, 16):
        yield f"busy store: {callers}", partial(busy_store, callers=callers, seconds=15)
    for name, make in LOSSES.items():
        yield f"loss: {name}", partial(lost_store, name=name, make=make, seconds=4)
    yield "loss: failover", failover_forgets
    yield "waits: nobody", partial(nobody_listens, sends=20)
    yield "waits: slow", partial(slow_service, sends=100, slack=0.3)
    for way in WAYS:
        yield f"crowd: 150, {way}", partial(crowd, clients=150, asked=200, way=way)
    for threads in ("32", "200"):
        yield (
            f"crowd: 500, {threads} threads",
            partial(crowd, clients=500, asked=100, way="hangs, then goes on", settings={"THREADS": threads}),
        )
    for idle, rounds in ((0.5, 150), (1.0, 70), (2.0, 35)):
        yield f"race: {idle}", partial(keepalive_race, idle=idle, rounds=rounds, lanes=16)


def main() -> int:
    """The number of promises that were broken, at most 1."""
    parser = argparse.ArgumentParser(description="Breaks the chat service, the store and the workers.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", default="", help="scenes whose names have this word")
    asked = parser.parse_args()
    broken: list[str] = []
    threading.excepthook = lambda details: broken.append(f"in the laboratory: {details.exc_value!r}")
    begun = monotonic()
    _say(f"seed {asked.seed}")
    for name, scene in scenes():
        if asked.only in name and _is_possible(name):
            broken += [f"{name}: {violation}" for violation in _play(scene, asked.seed).violations]
    _say(f"== {monotonic() - begun:.0f} s, seed {asked.seed}, VIOLATIONS: {len(broken)}", *sorted(set(broken)))
    return min(len(broken), 1)


def _play(scene: Scene, seed: int) -> Report:
    begun = monotonic()
    # The path of a Unix socket, which Valkey has below it, may not be long.
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stage(Path(folder), seed) as stage:
        try:
            report = scene(stage)
        except AssertionError as error:
            # What the harness waits for in vain is broken too, and the other scenes are still worth playing.
            report = Report("a scene that could not be played", violations=[str(error)])
    report.figures["scene (s)"] = round(monotonic() - begun, 1)
    _say(str(report))
    return report


def _is_possible(name: str) -> bool:
    if name == "loss: disk full" and not can_mount():
        _say(f"== {name}: left out, it needs root to mount a small disk")
        return False
    return True


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
