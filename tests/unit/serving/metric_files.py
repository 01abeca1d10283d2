"""Workers and a listener that share a folder of metrics."""

import os
import subprocess
import sys
from pathlib import Path

from tests.environs import ROOT

# A worker: counts once, tells its gauge, and ends.
WORKER = """\
import os, sys
from pathlib import Path
from config.serving import metric_files
metric_files.take_over(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
from prometheus_client import Counter, Gauge, Histogram
Counter("answers", "", ["code"]).labels("none").inc()
Histogram("seconds", "").observe(0.3)
Gauge("workers", "", multiprocess_mode="livesum").set(1)
"""
READER = """\
import sys
import time
from pathlib import Path
from prometheus_client.multiprocess import MultiProcessCollector
from config.serving import metric_files
with metric_files.reading(Path(sys.argv[1])) as files:
    for metric in MultiProcessCollector.merge(files):
        for sample in metric.samples:
            print(sample.name, sample.labels.get("le", ""), sample.value)
"""


def work(folder: Path) -> None:
    """Let a worker live and end."""
    environ = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, env=environ, check=True)


def told(folder: Path) -> dict[str, float]:
    """What the listener would read."""
    command = [sys.executable, "-c", READER, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        name.strip(): float(value) for name, _, value in (row.rpartition(" ") for row in done.stdout.splitlines())
    }
