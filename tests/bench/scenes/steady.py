"""Warm throughput, and the latency of a single connection: everybody at once, on the same core in turn."""

import json
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.contenders import AIOHTTP_SAME, ALTERNATING, EVERYBODY, PASS_THROUGH, SERVICE, Contender
from tests.bench.ground import Ground, Running
from tests.bench.load import Plan
from tests.bench.programs import memory
from tests.bench.rounds import AGAIN, Bench, Row, Rows, interleave, row

WARM = Plan(connections=16, seconds=3)
ONE = Plan(connections=1, seconds=2)
# A stretch with fewer answers was not asked in all the time.
LEAST = 10
CROWDS = (1, 4, 16, 64)


def warm(bench: Bench) -> dict[str, Rows]:
    """16 connections; at the end of it the memory of each worker."""
    with Ground(bench.folder, WARM.users) as ground:
        servers = [_warmed(ground, contender) for contender in EVERYBODY]
        found = interleave(bench, {one.contender.key: partial(_run, one, WARM) for one in servers})
        return {"runs": found, "memory": {one.contender.key: [_memory(one)] for one in servers}}


def overhead(bench: Bench) -> dict[str, Rows]:
    """What log lines and metrics cost: time with and without them, by turns in the same process."""
    with Ground(bench.folder, WARM.users) as ground:

        def run() -> Row:
            server = _warmed(ground, ALTERNATING)
            found = row(server.measure(Plan(seconds=12)))
            return {**found, "share": _share(json.loads(server.place.stretches.read_text()))}

        return {"runs": interleave(bench, {ALTERNATING.key: run})}


def _share(stretches: list[tuple[int, int]]) -> float:
    """The throughput with them, of that without them: the median of all pairs of neighbours."""
    # At both ends, and before the load, there are stretches that were not full.
    counted = {number: answers for number, answers in stretches if answers > LEAST}
    pairs = [(number, other) for number in counted for other in (number - 1, number + 1)]
    return median(counted[a] / counted[b] for a, b in pairs if a % 2 and b in counted)


def one(bench: Bench) -> dict[str, Any]:
    """One connection, and the same to the stub itself; and what the service's log lines say of each send."""
    with Ground(bench.folder, WARM.users) as ground:
        servers = [_warmed(ground, contender) for contender in EVERYBODY]
        log = servers[0].place.folder / "log"
        before = log.stat().st_size
        runs = {one.contender.key: partial(_run, one, ONE) for one in servers}
        found = interleave(bench, {"stub": lambda: row(ground.ask_stub(ONE)), **runs})
        return {"runs": found, "times": _times(log, before)}


def _times(log: Path, since: int) -> dict[str, float]:
    """The median milliseconds of each stage, of the sends logged after the first `since` bytes."""
    lines = [json.loads(line) for line in log.read_bytes()[since:].splitlines()]
    sends = [line for line in lines if line["event"] == "request"]
    stages = [name for name in sends[0] if name.endswith("_ms")]
    return {name.removesuffix("_ms"): median(line[name] for line in sends) for name in stages}


def cold(bench: Bench) -> dict[str, Rows]:
    """Every request is another user's, whom the server sees for the first time."""
    many = 15_000
    with Ground(bench.folder, many * (bench.rounds + 1 + AGAIN)) as ground:
        servers = [ground.start(contender) for contender in EVERYBODY if contender.finds_accounts]
        asked = dict.fromkeys((one.contender.key for one in servers), 0)

        def run(one: Running) -> Row:
            # All users after those of the round before; 3 s are not enough to come around.
            plan = Plan(seconds=3, users=many, first=many * asked[one.contender.key])
            asked[one.contender.key] += 1
            sample = one.measure(plan)
            assert sample.seen.good <= many, f"{one.contender.title} was asked by some users twice"
            return row(sample)

        for server in servers:
            run(server)
        return {"runs": interleave(bench, {one.contender.key: partial(run, one) for one in servers})}


def crowd(bench: Bench) -> dict[str, Rows]:
    """1 to 64 connections, with threads for all of them."""
    with Ground(bench.folder, WARM.users) as ground:
        asked = (SERVICE, PASS_THROUGH, AIOHTTP_SAME)
        servers = [_warmed(ground, contender, threads=96) for contender in asked]
        runs = {
            f"{one.contender.key} {count}": partial(_run, one, Plan(connections=count, seconds=2))
            for count in CROWDS
            for one in servers
        }
        return {"runs": interleave(bench, runs)}


def _warmed(ground: Ground, contender: Contender, threads: int = 32) -> Running:
    server = ground.start(contender, threads=threads)
    server.measure(Plan(seconds=2))
    return server


def _run(server: Running, plan: Plan) -> Row:
    return row(server.measure(plan))


def _memory(server: Running) -> Row:
    found = [memory(pid) for pid in server.program.workers()]
    largest = max(found, key=lambda one: one.resident)
    return {"resident": float(largest.resident), "proportional": float(largest.proportional)}
