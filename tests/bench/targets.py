"""What has been promised of speed, and whether a run of the bench shows it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.rounds import Rows, median, ratio

# All that was measured: by the scene's name, its runs and what else it found.
Results = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise, what was found, and the bound, which may be a largest or a least; without one it is only told."""

    promise: str
    found: float
    least: float | None = None
    largest: float | None = None
    unit: str = ""

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return f"≥ {self.least:g}{self.unit}"
        return f"≤ {self.largest:g}{self.unit}" if self.largest is not None else "–"

    @property
    def word(self) -> str:
        """Pass or fail."""
        if self.least is None and self.largest is None:
            return "told"
        kept = (self.least is None or self.found >= self.least) and (
            self.largest is None or self.found <= self.largest
        )
        return "pass" if kept else "FAIL"

    @property
    def told(self) -> str:
        """What was found, with its unit."""
        return f"{self.found:.2f}{self.unit}"


def verdicts(results: Results) -> Iterator[Verdict]:
    """Of all scenes that were played."""
    for name, judge in _JUDGES.items():
        if name in results:
            yield from judge(results[name])


def _warm(found: Results) -> Iterator[Verdict]:
    runs = found["runs"]
    for key, words, least in (
        ("pass_through", "the Flask + Session pass-through that checks nothing", 1.2),
        ("httpx", "FastAPI + httpx, bare", 2.5),
        ("httpx_same", "FastAPI + httpx, same promises", 3.0),
        ("aiohttp_same", "FastAPI + aiohttp, same promises", 1.0),
        ("aiohttp", "FastAPI + aiohttp, bare", None),
        ("usual", "Flask as usually written", 2.5),
    ):
        if key in runs:
            yield Verdict(
                f"throughput ÷ {words}", ratio(runs["service"], runs[key], "rate"), least=least, unit=" ×"
            )


def _overhead(found: Results) -> Iterator[Verdict]:
    cost = 100 * (1 - median(found["runs"]["alternating"], "share"))
    yield Verdict("throughput that logs and metrics cost", cost, largest=8, unit=" %")


def _one(found: Results) -> Iterator[Verdict]:
    added = [
        {key: found["runs"][key][number]["p50"] - stub["p50"] for key in ("service", "pass_through")}
        for number, stub in enumerate(found["runs"]["stub"])
    ]
    share = sorted(one["service"] / one["pass_through"] for one in added)[len(added) // 2]
    yield Verdict(
        "one connection: what is added to p50 ÷ what the pass-through adds", share, largest=0.6, unit=" ×"
    )


def _slow(found: Results) -> Iterator[Verdict]:
    for key, places, words in (
        ("service", 128, "128 threads (96 places)"),
        ("service_roomy", 129, "172 threads (129 places)"),
    ):
        for connections in (128, 500):
            rate = median(found["runs"][f"{key} 200 {connections}"], "rate")
            promise = f"chat service at 200 ms, {words}, {connections} connections: sends ÷ ({places} / 0.2 s)"
            yield Verdict(promise, rate / (places / 0.2), least=0.9, unit=" ×")


def _workers(found: Results) -> Iterator[Verdict]:
    for key, least in (("service", 1.6), ("pass_through", None), ("aiohttp_same", None)):
        runs: Rows = found["runs"]
        words = f"1 → 2 workers, throughput{'' if least else f' of {key}'}"
        yield Verdict(words, ratio(runs[f"{key} 2"], runs[f"{key} 1"], "rate"), least=least, unit=" ×")


def _users(found: Results) -> Iterator[Verdict]:
    runs, (kept,) = found["runs"], found["memory"]["service"]
    yield Verdict(
        "10 → 100,000 users: CPU a send", ratio(runs["many"], runs["few"], "cpu"), largest=1.15, unit=" ×"
    )
    told = "the same, all 100,000 in turn: a look-up for each that is not remembered"
    yield Verdict(told, ratio(runs["all"], runs["few"], "cpu"), unit=" ×")
    grown = (kept["after"] - kept["before"]) / 100_000 / 1024
    yield Verdict("memory a user, of 100,000", grown, largest=1, unit=" KB")


def _start(found: Results) -> Iterator[Verdict]:
    yield Verdict("start to first answer", median(found["runs"]["service"], "seconds"), largest=0.6, unit=" s")


_JUDGES: dict[str, Callable[[Results], Iterator[Verdict]]] = {
    "warm": _warm,
    "overhead": _overhead,
    "one": _one,
    "slow": _slow,
    "workers": _workers,
    "users": _users,
    "start": _start,
}
