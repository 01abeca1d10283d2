"""A budget of CPU for each stage of a send."""

import json
import sys
from typing import Any

from tests.bench.contenders import ROOT, SERVICE, Contender, Place
from tests.bench.ground import SERVER_CORE, Ground
from tests.bench.load import BenchError, Plan
from tests.bench.programs import run_to_end
from tests.bench.rounds import Bench, median, row, say

PROFILE = Contender("profile", "in process", lambda _: (sys.executable, "-m", "tests.bench.profiling", "8"))


def stages(bench: Bench) -> dict[str, Any]:
    """Microseconds of CPU a send, by stage; gunicorn's are what a served process takes beyond the rest."""
    rounds = min(bench.rounds, 3)
    with Ground(bench.folder, 400) as ground:
        server = ground.start(SERVICE)
        server.measure(Plan(seconds=2))
        served = [row(server.measure(Plan(seconds=4))) for _ in range(rounds)]
        folder = ground.folder / "profile"
        folder.mkdir()
        settings = ground.settings(Place(0, folder), PROFILE)
        output = run_to_end(PROFILE.command(Place(0, folder)), environ=settings, cores=SERVER_CORE, folder=ROOT)
    found: dict[str, float] = json.loads(output.splitlines()[-1])["stages"]
    if not found:
        raise BenchError("nothing was seen")
    found["gunicorn"] = 1e6 * median(served, "cpu") - sum(found.values())
    for stage, spent in sorted(found.items(), key=lambda one: -one[1]):
        say(f"  {stage}: {spent:.0f} µs")
    return {"stages": found, "runs": {"service": served}}
