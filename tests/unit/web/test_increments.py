"""What is added to a file that processes share is what prometheus_client would have added."""

import json
import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tests.environs import ROOT

BOUNDS = (0.5, 1.0, 2.5)
# Below, on and beyond the bounds.
SEEN = (0.0, 0.4, 0.5, 0.6, 1.0, 2.5, 2.6, 100.0)
WORKER = """\
import json, sys
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from app.web.increments import counting, observing
bounds, seen = json.loads(sys.argv[1])
alone = CollectorRegistry()
counters = [Counter(name, "What", registry=alone) for name in ("asked", "told")]
histograms = [Histogram(name, "What", buckets=bounds, registry=alone) for name in ("first", "second")]
count, observe = counting(counters), observing(histograms, bounds)
for value in seen:
    count()
    observe([value, value * 2])
registry = CollectorRegistry()
MultiProcessCollector(registry)
sys.stdout.write(generate_latest(registry).decode())
"""


def samples(text: str) -> set[str]:
    """The lines of values, in no order."""
    return {line for line in text.splitlines() if not line.startswith("#") and "_created" not in line}


def test_it_adds_what_prometheus_adds(tmp_path: Path) -> None:
    """Counts, sums, and the bucket of each value, those on a bound included."""
    command = [sys.executable, "-c", WORKER, json.dumps([BOUNDS, SEEN])]
    environ = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    told = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout

    registry = CollectorRegistry()
    counters = [Counter(name, "What", registry=registry) for name in ("asked", "told")]
    histograms = [Histogram(name, "What", buckets=BOUNDS, registry=registry) for name in ("first", "second")]
    for value in SEEN:
        for counter in counters:
            counter.inc()
        for factor, histogram in enumerate(histograms, start=1):
            histogram.observe(value * factor)
    assert samples(told) == samples(generate_latest(registry).decode())
