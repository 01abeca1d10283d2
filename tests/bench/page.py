"""docs/performance.md, which is `page.md` with its tables filled in, and its plots."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import tables
from tests.bench.contenders import AIOHTTP_SAME, HELLO, PASS_THROUGH, SERVICE, TITLES
from tests.bench.plots import Bar, bars, lines
from tests.bench.rounds import MOST_OTHERS, Rows, median
from tests.bench.scenes.steady import CROWDS
from tests.bench.targets import Results

_TABLES: dict[str, Callable[[Results], Iterator[str]]] = {
    name: getattr(tables, name)
    for name in ("warm", "one", "cold", "slow", "hung", "workers", "users", "stages", "capacity")
}


# Played once however many rounds there are, as the page says.
_ONCE = {"hung", "capacity", "stages"}


def write(docs: Path, results: Results) -> None:
    """Write the page and the plots of the scenes that were played; the page says which were not."""
    folder = docs / "performance"
    folder.mkdir(exist_ok=True)
    for name, (scene, plot) in _PLOTS.items():
        if scene in results:
            (folder / f"{name}.svg").write_text(plot(results))
    filled = {name: "\n".join(table(results)) for name, table in _TABLES.items() if name in results}
    missing = dict.fromkeys(_TABLES.keys() - results.keys(), "(not measured)")
    last = max(results.values(), key=lambda scene: scene["about"]["date"])
    told = {
        **last["about"],
        "rounds": min(scene["rounds"] for name, scene in results.items() if name not in _ONCE),
        "disturbed": _disturbed(results),
        "targets": "\n".join(tables.targets(results)),
        "stub": f"{1e6 * median(results['one']['runs']['stub'], 'p50'):.0f}" if "one" in results else "?",
    }
    template = Path(__file__).with_suffix(".md").read_text()
    (docs / "performance.md").write_text(template.format(**told, **filled, **missing))


def _disturbed(results: Results) -> str:
    runs = [
        run for scene in results.values() for rows in scene["runs"].values() for run in rows if "others" in run
    ]
    count = sum(run["others"] > MOST_OTHERS for run in runs)
    return f"{count or 'none'} of {len(runs)} runs"


def _throughput(results: Results) -> str:
    runs: Rows = results["warm"]["runs"]
    ordered = sorted((key for key in runs if key != HELLO.key), key=lambda key: -median(runs[key], "rate"))
    rows = [Bar(TITLES[key], median(runs[key], "rate"), key == SERVICE.key) for key in ordered]
    return bars("Requests a second", "one worker on one core, 16 connections, warm", rows, "/s")


def _latency(results: Results) -> str:
    runs: Rows = results["crowd"]["runs"]
    names = {
        SERVICE.key: "this service",
        PASS_THROUGH.key: "Flask + Session",
        AIOHTTP_SAME.key: "FastAPI + aiohttp",
    }
    series = {
        name: [1000 * median(runs[f"{key} {count}"], "p99") for count in CROWDS] for key, name in names.items()
    }
    note = "one worker on one core, warm; FastAPI with the same promises, Flask checks nothing"
    return lines("Latency under concurrency, p99", note, CROWDS, series, "ms")


def _stages(results: Results) -> str:
    spent: dict[str, float] = results["stages"]["stages"]
    rows = [Bar(stage, max(0.0, spent[stage]), is_ours=True) for stage in tables.STAGES if stage in spent]
    return bars("CPU of a send, by stage", "in the order of a request", rows, "µs")


_PLOTS = {"throughput": ("warm", _throughput), "latency": ("crowd", _latency), "stages": ("stages", _stages)}
