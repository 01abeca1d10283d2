"""`make bench`: plays the scenes, prints what they found and judges it, and writes docs/performance.md.

What was found is kept in var/bench, so that scenes can be played one by one: `--only warm,one`.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import page, tables
from tests.bench.contenders import ROOT
from tests.bench.machine import about
from tests.bench.rounds import Bench, say
from tests.bench.scenes import growth, steady, waiting
from tests.bench.scenes.stages import stages
from tests.bench.targets import verdicts

KEPT = ROOT / "var" / "bench" / "results.json"
SCENES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "warm": steady.warm,
    "overhead": steady.overhead,
    "one": steady.one,
    "crowd": steady.crowd,
    "cold": steady.cold,
    "slow": waiting.slow,
    "hung": waiting.hung,
    "workers": growth.workers,
    "users": growth.users,
    "start": growth.start,
    "capacity": growth.capacity,
    "stages": stages,
}


def main() -> int:
    """0; what a machine cannot keep of the targets is printed, and no error of the program."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(SCENES), help="some of: %(default)s")
    parser.add_argument("--page", action="store_true", help="only write the page again from what was kept")
    asked = parser.parse_args()
    wanted = [] if asked.page else asked.only.split(",")
    if unknown := set(wanted) - SCENES.keys():
        parser.error(f"no scene is named {', '.join(sorted(unknown))}")
    # Whoever ends it early gets rid of what it has started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in wanted:
        results[name] = _play(name, asked.rounds)
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(results, indent=1))
    for verdict in verdicts(results):
        say(f"{verdict.word:5} {verdict.told:>10} ({verdict.bound})  {verdict.promise}")
    say("\n".join(tables.capacity(results)) if "capacity" in results else "")
    page.write(ROOT / "docs", results)
    return 0


def _play(name: str, rounds: int) -> dict[str, Any]:
    began = time.monotonic()
    say(f"{name}: {(SCENES[name].__doc__ or '').splitlines()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        found = SCENES[name](Bench(Path(folder), rounds))
    say(f"{name}: {time.monotonic() - began:.0f} s")
    return {**found, "rounds": rounds, "about": about()}


if __name__ == "__main__":
    sys.exit(main())
