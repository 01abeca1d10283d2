"""The long form of the fault laboratory: `python -m tests.system.faults.chaos [--seed N] [--only WORD]`.

Prints what each scene measured, and exits with 1 if any of them saw a promise broken. It stops by itself.
"""

import sys
from collections.abc import Iterator
from functools import partial
from shutil import which

from tests.system.faults.agreement import agreement
from tests.system.faults.alarms import SCENES as ALARMS
from tests.system.faults.crowds import WAYS, crowd
from tests.system.faults.deadlines import nobody_listens, slow_service
from tests.system.faults.deaths import (
    killed_master,
    killed_workers,
    replaced_workers,
    terminated,
    worn_out_workers,
)
from tests.system.faults.drains import drained
from tests.system.faults.keepalive import keepalive_race
from tests.system.faults.keys import keyed_sends, storm
from tests.system.faults.losses import LOSSES, can_mount
from tests.system.faults.playing import Scene, play, say
from tests.system.faults.probes import probed
from tests.system.faults.restarts import WAYS as RESTARTS
from tests.system.faults.restarts import rolling_restarts
from tests.system.faults.sends import sends
from tests.system.faults.soak import soak
from tests.system.faults.stores import busy_store, failover_forgets, lost_store
from tests.system.faults.totals import kept_totals
from tests.system.proxies import program


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
    for gap in (0, 0.002, 0.02):
        yield f"deploys: SIGTERM, {1000 * gap:.0f} ms", partial(drained, times=5, gap=gap)
    for restart in RESTARTS:
        yield f"nginx: {restart}", partial(rolling_restarts, way=restart, times=20, latency=1.0)
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
    yield from _of_operators()


def _of_operators() -> Iterator[tuple[str, Scene]]:
    """What those are promised who run the service."""
    yield "operators: agreement", partial(agreement, count=10_000, callers=32)
    yield "operators: totals", partial(kept_totals, restarts=50)
    for threads in ("32", "350"):
        yield (
            f"operators: probes, {threads} threads",
            partial(probed, clients=500, asked=100, settings={"THREADS": threads}),
        )
    yield "operators: soak", partial(soak, seconds=600)
    for name, alarm in ALARMS.items():
        yield f"alarms: {name}", alarm


def _possible() -> Iterator[tuple[str, Scene]]:
    for name, scene in scenes():
        if name == "loss: disk full" and not can_mount():
            say(f"== {name}: left out, it needs root to mount a small disk")
        elif name.startswith("nginx") and not program():
            say(f"== {name}: left out, it needs nginx")
        elif name.startswith("alarms") and not (which("prometheus") and which("jq")):
            say(f"== {name}: left out, it needs Prometheus, jq and curl")
        else:
            yield name, scene


if __name__ == "__main__":
    sys.exit(play("Breaks the chat service, the store and the workers.", _possible()))
