"""Totals that outlive workers: metrics beside what callers were answered, while workers come and go."""

import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.system.faults.acts import late
from tests.system.faults.deaths import all_sent
from tests.system.faults.loads import Call, under_load
from tests.system.faults.oracles import outcome
from tests.system.faults.stage import Attempt, Report, Stage
from tests.system.processes import accepts, await_until
from tests.system.scrapes import ROUTE, folder, listener, scrape
from tests.system.servers import Kind, Server, gunicorn

_CALLERS, _WORKERS, _PAUSE_SECONDS = 4, 2, 0.05
# Of workers SIGHUP has twice as many as usual for a moment. Each has four files, for counters, histograms and two
# kinds of gauges; there are a lock, what holds the folder, and the number of workers wanted, of one digit.
_MOST_WORKERS = _WORKERS * 2
_MOST_FILES = _MOST_WORKERS * 4 + 3
_MOST_BYTES = _MOST_WORKERS * (512 + 1024 + 64 + 64) * 1024 + 1
# A worker leaves after so many requests: now and then in a scene.
_WEARING: Kind = gunicorn("--max-requests", "150", "--max-requests-jitter", "100")


class Watch:
    """Scrapes again and again, and counts workers and the files of their metrics, for one `with` block."""

    def __init__(self, server: Server) -> None:
        # Until it is there nothing is seen.
        listener(server)
        self.folder = folder(server)
        self.sizes: list[tuple[int, int]] = []
        self.scrapes = 0
        self.wrong: list[str] = []
        self.seen = set[int]()
        self._server = server

    def ended(self) -> int:
        """How many workers are no more."""
        return len(self.seen - set(self._server.pids()))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch until the end of the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), name="watch")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        before = scrape(self._server)
        while not over.wait(0.02):
            self.seen |= set(_workers(self._server))
            self.sizes.append(_size(self.folder))
            self.scrapes += 1
            try:
                now = scrape(self._server)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"a scrape without an answer: {error}")
                continue
            self.wrong += now.fallen_since(before)
            before = now


def kept_totals(stage: Stage, restarts: int) -> Report:
    """At least so many workers are replaced, worn out or killed, under a light load; no total is lost."""
    stage.laboratory.usual = late(0.02)
    server = stage.serve(_WEARING)
    watch = Watch(server)
    ways = (server.renew, lambda: _kill(stage, server, watch))
    with watch.running():
        with under_load(*[_unhurried(stage, server.port)] * _CALLERS) as attempts:
            while watch.ended() < restarts:
                stage.random.choice(ways)()
                threading.Event().wait(0.5)
        # Those that took the place of a last one that was worn out.
        await_until(
            lambda: _started(server) == len(watch.seen), lambda: f"{_started(server)} of {len(watch.seen)} started"
        )
    answered = [attempt for attempt in attempts if attempt.answer]
    report = all_sent(f"{restarts} workers end", stage, answered)
    report.violations += _compared(server, attempts)
    _tell(report, watch, len(attempts) - len(answered))
    code = server.stop()
    report.violations += [f"exit code {code}"] * (code != 0) + ["the folder is left"] * watch.folder.exists()
    return report


def _unhurried(stage: Stage, port: int) -> Call:
    def call() -> Sequence[Attempt]:
        attempt = stage.send(port, stage.message())
        threading.Event().wait(_PAUSE_SECONDS)
        return [attempt]

    return call


def _kill(stage: Stage, server: Server, watch: Watch) -> None:
    """Kill a worker when all are at work, and wait until all are again."""
    at_work = list[int]()

    def are_seen() -> bool:
        at_work[:] = sorted(watch.seen & set(server.pids()))
        return len(at_work) == _WORKERS

    await_until(are_seen, lambda: f"too few are at work:\n{server.log}")
    os.kill(stage.random.choice(at_work), signal.SIGKILL)
    await_until(lambda: len(_workers(server)) == _WORKERS, lambda: f"too few are at work:\n{server.log}")


def _compared(server: Server, attempts: Sequence[Attempt]) -> Iterator[str]:
    """Where the totals are not what callers were told; who was killed may have counted what it did not tell."""
    told = Counter(
        (str(attempt.answer.status), attempt.answer.code or "none") for attempt in attempts if attempt.answer
    )
    outcomes = Counter((str(outcome(attempt.answer)),) for attempt in attempts if attempt.answer)
    untold = sum(attempt.answer is None for attempt in attempts)
    seen = scrape(server)
    for name, expected, counted in (
        ("requests_total", told, seen.by("requests_total", "status", "code", route=ROUTE)),
        ("sends_total", outcomes, seen.by("sends_total", "outcome")),
        (
            "stage_seconds",
            {("total",): len(attempts) - untold},
            seen.by("stage_seconds_count", "stage", route=ROUTE, stage="total"),
        ),
    ):
        too_few = {
            labels: number - counted[labels] for labels, number in expected.items() if counted[labels] < number
        }
        if too_few or counted.total() > sum(expected.values()) + untold:
            yield f"{name}: answered {expected}, without an answer {untold}, counted {counted}"


def _workers(server: Server) -> list[int]:
    """Those that are at work; the master has other children for a moment, such as the trial before SIGHUP."""
    return [pid for pid in server.pids() if accepts(pid, server.port)]


def _started(server: Server) -> int:
    return int(scrape(server).total("workers_started_total"))


def _tell(report: Report, watch: Watch, untold: int) -> None:
    report.figures["without an answer"] = untold
    report.figures["workers ended"] = watch.ended()
    report.figures["scrapes, those that failed or fell"] = [watch.scrapes, len(watch.wrong)]
    report.violations += watch.wrong
    fifth = max(1, len(watch.sizes) // 5)
    first, last = max(watch.sizes[:fifth]), max(watch.sizes[-fifth:])
    report.figures["most files and bytes, first and last fifth"] = [first, last]
    report.figures["files and bytes in the end"] = _size(watch.folder)
    most = max(watch.sizes)
    if most[0] > _MOST_FILES or most[1] > _MOST_BYTES:
        report.violations.append(f"{most[0]} files with {most[1]} bytes")


def _size(path: Path) -> tuple[int, int]:
    """How many files are in the folder, and their bytes; one may go while it is looked at."""
    sizes = []
    for file in path.iterdir():
        try:
            sizes.append(file.stat().st_size)
        except FileNotFoundError:
            continue
    return len(sizes), sum(sizes)
