"""Interleaved rounds: every server once a round, forwards and backwards, and the medians of it all."""

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.ground import Sample

# What one run showed: "rate" (good answers a second), "cpu" (seconds a request), "p50", "p95", "p99" (seconds) …
Row = dict[str, float]
Rows = dict[str, list[Row]]

# So many runs of a scene are made again, so that it ends on a busy machine as well.
AGAIN = 8
MOST_OTHERS = 0.08
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure: in how many rounds, and in which folder."""

    folder: Path
    rounds: int
    again: Iterator[int] = field(default_factory=lambda: iter(range(AGAIN)))


def say(line: str) -> None:
    """Tell how far it has come."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def row(sample: Sample, *, delay: float = 0) -> Row:
    """What is kept of a run; in its first `delay` seconds, which the services behind take, no answer can come."""
    seen = sample.seen
    return {
        "rate": seen.good / (seen.seconds - delay),
        "cpu": sample.cpu_per_send,
        "others": sample.others / seen.seconds,
        "refused_share": seen.bad / max(1, seen.good + seen.bad),
        "p50": seen.p50,
        "p95": seen.p95,
        "p99": seen.p99,
    }


def interleave(bench: Bench, runs: Mapping[str, Callable[[], Row]]) -> Rows:
    """So many rounds of these runs."""
    found: Rows = {key: [] for key in runs}
    for number in range(bench.rounds):
        for key in list(runs) if number % 2 == 0 else reversed(list(runs)):
            found[key].append(_undisturbed(runs[key], bench.again))
            say(f"  {number + 1}/{bench.rounds} {key}: {_told(found[key][-1])}")
    return found


def _undisturbed(run: Callable[[], Row], again: Iterator[int]) -> Row:
    """A run during which the server had its core to itself, or the best of three."""
    tries = [run()]
    while tries[-1].get("others", 0) > MOST_OTHERS:
        say(f"  disturbed: {100 * tries[-1]['others']:.0f} % of the core went to others")
        if len(tries) == _TRIES or next(again, None) is None:
            break
        tries.append(run())
    return min(tries, key=lambda found: found.get("others", 0))


def median(rows: list[Row], name: str) -> float:
    """Of all rounds."""
    return statistics.median(row[name] for row in rows)


def ratio(over: list[Row], under: list[Row], name: str) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a[name] / b[name] for a, b in zip(over, under, strict=True))


def _told(found: Row) -> str:
    words = {"rate": ("/s", 1), "cpu": ("µs", 1e6), "p50": ("ms p50", 1e3), "p99": ("ms p99", 1e3)}
    words["seconds"] = ("s", 1)
    return ", ".join(
        f"{found[name] * scale:,.5g} {unit}" for name, (unit, scale) in words.items() if name in found
    )
