"""Faults that alerts are for, made for real while Prometheus watches: what fires, and what the runbook finds."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from tests.conventions.watched import first_look
from tests.environs import ROOT
from tests.system.faults.loads import Call, once, repeated, under_load
from tests.system.faults.stage import Attempt, Report, Stage
from tests.system.processes import await_until
from tests.system.prometheus import Prometheus
from tests.system.servers import BIN, OURS, Kind, Server

# With seconds for minutes, the longest time that an alert looks at, and then waits, is 20 s.
_FIRES_WITHIN, _ENDS_WITHIN = 40.0, 60.0
# How long after an alert others have to show that they do not fire.
_SECONDS_AFTER = 2.0
_PAUSE = 0.4


@dataclass(frozen=True)
class Fault:
    """What goes wrong and how it is mended; for each alert that fires, a pattern that its first look must show."""

    name: str
    alerts: Mapping[str, str]
    make: Callable[[], object]
    mend: Callable[[], object]


@dataclass
class Watched:
    """A service under load that Prometheus watches."""

    stage: Stage
    server: Server
    prometheus: Prometheus
    report: Report
    # Up to where its log speaks of what was before.
    _told: int = field(default=0)

    def calm(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Nothing is wrong for so long and `meanwhile`, so nothing may fire."""
        begun = monotonic()
        meanwhile()
        threading.Event().wait(seconds)
        self._compare("all is well", set(), self.prometheus.fired(int(monotonic() - begun)))

    def play(self, fault: Fault) -> None:
        """Make the fault, see that its alerts and no others fire, look as the runbook says, and mend it."""
        begun = monotonic()
        fault.make()
        expected = set(fault.alerts)
        await_until(lambda: expected <= self.prometheus.firing(), lambda: self._missing(fault), _FIRES_WITHIN)
        after = monotonic() - begun
        threading.Event().wait(_SECONDS_AFTER)
        for alert, word in fault.alerts.items():
            self._look(alert, word)
        fault.mend()
        mended = monotonic()
        await_until(lambda: not self.prometheus.firing(), lambda: f"{fault.name}: fires on", _ENDS_WITHIN)
        self.report.figures[fault.name] = (
            f"{', '.join(sorted(expected))} after {after:.0f} s, silent {monotonic() - mended:.0f} s after the end"
        )
        self._compare(fault.name, expected, self.prometheus.fired(int(monotonic() - begun)))
        threading.Event().wait(1.5)

    def _compare(self, name: str, expected: set[str], fired: set[str]) -> None:
        self._told = len(self.server.log)
        if fired != expected:
            self.report.violations.append(f"{name}: {sorted(fired)} fired instead of {sorted(expected)}")

    def _missing(self, fault: Fault) -> str:
        return f"{fault.name}: {sorted(self.prometheus.firing())} of {sorted(fault.alerts)}"

    def _look(self, alert: str, word: str) -> None:
        """The commands of the runbook, on the log since the fault began and the real metrics."""
        log = self.stage.folder / "since"
        log.write_text(self.server.log[self._told :])
        given = f"log() {{ grep '^{{' '{log}'; }}\nmetrics=http://127.0.0.1:{self.server.metrics_port}\n"
        environ = {**self.server.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        told = subprocess.run(
            ["/bin/bash", "-c", given + first_look(alert)],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if not re.search(word, told.stdout) or told.stderr:
            self.report.violations.append(f"{alert}: no {word!r} in {told.stdout!r}, {told.stderr!r}")


@contextmanager
def watched(
    stage: Stage,
    title: str,
    settings: Mapping[str, str],
    *,
    callers: int = 8,
    keyed: int = 0,
    kind: Kind = OURS,
    ready: bool = True,
) -> Iterator[Watched]:
    """A service as it is set, with Prometheus, under a load that no worker notices, some of it with keys.

    It is `ready` before anything else begins, unless it cannot be.
    """
    server = stage.prepare(kind, **{"LOG_LEVEL": "INFO", **settings})
    if ready:
        server.start()
    else:
        server.launch()
    with Prometheus(stage.folder / "prometheus", [server.metrics_port]) as prometheus:
        calls = [*[once(stage, server.port)] * callers, *[repeated(stage, server.port)] * keyed]
        with under_load(*(partial(_in_no_hurry, stage, call) for call in calls)):
            yield Watched(stage, server, prometheus, Report(title))


def _in_no_hurry(stage: Stage, call: Call) -> Sequence[Attempt]:
    # At random, so that callers do not come in step.
    threading.Event().wait(stage.random.uniform(0, 2 * _PAUSE))
    return call()
