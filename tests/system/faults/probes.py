"""Probes of the listener while a crowd waits for a chat service that hangs."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping

from tests.environs import ROOT
from tests.system.behaviours import waits
from tests.system.faults.acts import taking
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.crowds import patient
from tests.system.faults.loads import under_load
from tests.system.faults.oracles import judged
from tests.system.faults.stage import Report, Stage
from tests.system.processes import PATIENCE, await_until
from tests.system.scrapes import scrape
from tests.system.servers import OURS, Server

PROBE_SECONDS = 0.1
_PATHS = ("/health/live", "/health/ready", "/metrics")


def probed(
    stage: Stage,
    clients: int,
    asked: int,
    settings: Mapping[str, str] | None = None,
    *,
    within: float = PROBE_SECONDS,
) -> Report:
    """So many clients hang; meanwhile the listener is asked `asked` times for each path, and answers in time."""
    awake = threading.Event()
    stage.laboratory.usual = taking(waits(awake))
    server = stage.serve(OURS, CHAT_TIMEOUT_SECONDS="10", **(settings or {}))
    with under_load(*[patient(stage, server.port)] * clients) as attempts:
        try:
            await_until(lambda: _hang(server, clients), lambda: f"too few hang:\n{server.log}")
            begun = scrape(server)
            told = _ask(server.metrics_port, asked)
            ended = scrape(server)
        finally:
            stage.laboratory.usual = DELIVERS.act
            awake.set()
    report = Report(f"{clients} clients hang, {asked} probes of each path {dict(settings or {})}")
    report.figures["answers to clients"] = dict(Counter(attempt.code for attempt in attempts).most_common())
    for moment, seen in (("before", begun), ("after", ended)):
        report.figures[f"in flight, slots taken, slots, {moment} the probes"] = [
            int(seen.total(metric)) for metric in ("in_flight", "slots_taken", "slots")
        ]
    report.violations = judged(attempts, stage.ledger.entries)
    for path in _PATHS:
        _judge(
            report, path, sorted(seconds if status == 200 else PATIENCE for status, seconds in told[path]), within
        )
    return report


def _hang(server: Server, clients: int) -> bool:
    """Whether as many wait as there are, or as can."""
    seen = scrape(server)
    return seen.total("slots_taken") >= 0.9 * min(seen.total("slots"), clients) > 0


def _ask(port: int, times: int) -> dict[str, list[tuple[int, float]]]:
    command = [sys.executable, "-m", "tests.system.faults.prober", str(port), str(times), *_PATHS]
    asking = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    told: dict[str, list[tuple[int, float]]] = {path: [] for path in _PATHS}
    for path, status, seconds in json.loads(asking.stdout):
        told[path].append((status, seconds))
    return told


def _judge(report: Report, path: str, took: list[float], within: float) -> None:
    in_time = sum(seconds <= within for seconds in took)
    quantiles = (took[len(took) // 2], took[int(len(took) * 0.99)], took[-1])
    report.figures[f"{path}: in time"] = f"{in_time} of {len(took)}"
    report.figures[f"{path}: median, 99 %, slowest (ms)"] = [round(1000 * each, 1) for each in quantiles]
    report.violations += [f"{path}: late or no answer"] * (len(took) - in_time)
