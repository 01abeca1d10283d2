"""More workers, more users, and a start from nothing."""

from dataclasses import replace
from functools import partial

from tests.bench.contenders import AIOHTTP_SAME, EVERYBODY, PASS_THROUGH, SERVICE
from tests.bench.ground import BOTH_CORES, Ground, Running
from tests.bench.load import Plan
from tests.bench.programs import memory
from tests.bench.rounds import Bench, Row, Rows, interleave, row, say

FEW, MANY = 10, 100_000
# As many as the service remembers at once, and room to spare.
BUSY = 10_000
# So that no user asks more often than may be, in milliseconds.
PACE = 60
OFTEN = 4


def workers(bench: Bench) -> dict[str, Rows]:
    """One worker and two; callers and the services behind have the same two cores."""
    plan = Plan(connections=32, seconds=3)
    with Ground(bench.folder, plan.users, cores=BOTH_CORES) as ground:
        servers: dict[str, Running] = {}
        for contender in (SERVICE, PASS_THROUGH, AIOHTTP_SAME):
            for count in (1, 2):
                # Connections do not come to the two in equal parts.
                server = ground.start(contender, workers=count, threads=64, cores=BOTH_CORES)
                servers[f"{contender.key} {count}"] = server
                server.measure(Plan(connections=32, seconds=2), cores=BOTH_CORES)
        return {"runs": interleave(bench, {key: partial(_run, one, plan) for key, one in servers.items()})}


def _run(server: Running, plan: Plan, *, delay: float = 0) -> Row:
    return row(server.measure(plan, cores=BOTH_CORES), delay=delay)


def users(bench: Bench) -> dict[str, Rows]:
    """A server that 10 users have used, and one that 100,000 have, at the same pace, which suits the few.

    10,000 of the many go on sending; or all of them in turn, who then are not remembered and are looked up.
    """
    with Ground(bench.folder, MANY) as ground:
        # As believed as may be, so that what is compared is what is kept.
        few, many = (ground.start(SERVICE, environ={"ACCOUNT_CACHE_SECONDS": "3600"}) for _ in range(2))
        for server in (few, many):
            server.measure(Plan(seconds=2))
        before = _resident(many)
        _fill(many)
        after = _resident(many)
        plans = {
            "few": (few, Plan(seconds=3, users=FEW, pace=PACE)),
            "many": (many, Plan(seconds=3, users=BUSY, first=MANY - BUSY, pace=PACE)),
            "all": (many, Plan(seconds=3, users=MANY, pace=PACE)),
        }
        # At a third of the load runs differ by a fifth: it takes more of them.
        often = replace(bench, rounds=bench.rounds * OFTEN)
        runs = interleave(often, {key: partial(_paced, *how) for key, how in plans.items()})
        return {"runs": runs, "memory": {"service": [{"before": before, "after": after}]}}


def _paced(server: Running, plan: Plan) -> Row:
    return row(server.measure(plan))


def _fill(server: Running) -> None:
    done = 0
    while done < MANY:
        seen = server.measure(Plan(seconds=10, users=MANY - done, first=done)).seen
        done += seen.good
        say(f"  {min(done, MANY):,} of {MANY:,} users have sent")


def _resident(server: Running) -> float:
    return float(sum(memory(pid).resident for pid in server.program.workers()))


def start(bench: Bench) -> dict[str, Rows]:
    """From the command to the first answer; the files are in the system's memory."""

    def run(ground: Ground, number: int) -> Row:
        server = ground.start(EVERYBODY[number])
        server.program.__exit__()
        return {"seconds": server.seconds_to_start}

    with Ground(bench.folder, 1) as ground:
        numbers = {contender.key: number for number, contender in enumerate(EVERYBODY)}
        for number in numbers.values():
            run(ground, number)
        return {"runs": interleave(bench, {key: partial(run, ground, number) for key, number in numbers.items()})}


def capacity(bench: Bench) -> dict[str, Rows]:
    """Sends a second for threads, workers and a slow chat service, one run each; all share two cores."""
    found: Rows = {}
    for delay in (20, 50, 200, 1000):
        with Ground(bench.folder / str(delay), 2000, cores=BOTH_CORES) as ground:
            environ = {"CHAT_SERVICE_URL": ground.chat_url(delay)}
            for count, threads in ((1, 32), (1, 64), (1, 128), (2, 32), (2, 64), (2, 128)):
                server = ground.start(SERVICE, workers=count, threads=threads, cores=BOTH_CORES, environ=environ)
                plan = Plan(connections=count * threads * 3 // 4, users=2000, seconds=5, strict=False, pause=1000)
                sent = _run(server, plan, delay=delay / 1000)
                found[f"{count} {threads} {delay}"] = [sent]
                server.program.__exit__()
                say(f"  {count} × {threads} threads, {delay} ms: {sent['rate']:.0f}/s")
    return {"runs": found}
