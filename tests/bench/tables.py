"""The tables of docs/performance.md, a function a scene."""

from collections.abc import Iterator

from tests.bench.contenders import AIOHTTP_SAME, PASS_THROUGH, SERVICE, TITLES, USUAL
from tests.bench.rounds import Rows, median, ratio
from tests.bench.scenes.waiting import CONNECTIONS, DELAYS
from tests.bench.targets import Results, verdicts

# In the order of a request.
STAGES = (
    *("gunicorn", "Flask", "guards and state", "auth", "limit", "account"),
    *("body", "upstream", "answer", "log", "metrics"),
)
_SLOW = {
    "service": "this service, 128 threads",
    "service_roomy": "this service, 172 threads",
    "pass_through": "Flask + Session, 128 threads",
    "aiohttp_same": TITLES[AIOHTTP_SAME.key],
}
_USERS = {
    "few": "10 users",
    "many": "100,000 have sent, 10,000 of them go on",
    "all": "100,000 in turn; who is no longer remembered is looked up",
}
Lines = Iterator[str]


def targets(results: Results) -> Lines:
    """What was promised, and what was found."""
    yield from _head("what", "found", "target", "")
    for one in verdicts(results):
        yield _row(one.promise, one.told, one.bound, one.word)


def warm(results: Results) -> Lines:
    """Everybody, with 16 connections."""
    runs: Rows = results["warm"]["runs"]
    began: Rows = results.get("start", {}).get("runs", {})
    yield from _head(
        "", "requests/s", "service ÷ it", "CPU a request", "p50", "p99", "a worker's memory", "first answer"
    )
    for key, rows in runs.items():
        size = results["warm"]["memory"][key][0]["resident"] / 2**20
        start = f"{median(began[key], 'seconds'):.2f} s" if key in began else ""
        yield _row(
            TITLES[key],
            f"{median(rows, 'rate'):,.0f}",
            f"{ratio(runs[SERVICE.key], rows, 'rate'):.2f}",
            f"{1e6 * median(rows, 'cpu'):,.0f} µs",
            f"{1e3 * median(rows, 'p50'):.1f} ms",
            f"{1e3 * median(rows, 'p99'):.1f} ms",
            f"{size:.0f} MB",
            start,
        )


def one(results: Results) -> Lines:
    """A single connection."""
    runs: Rows = results["one"]["runs"]
    yield from _head("", "added to p50", "p99")
    for key, rows in runs.items():
        if key != "stub":
            added = median(rows, "p50") - median(runs["stub"], "p50")
            yield _row(TITLES[key], f"{1e3 * added:.2f} ms", f"{1e3 * median(rows, 'p99'):.2f} ms")
    yield from _spent(results)


def _spent(results: Results) -> Lines:
    """Where the time that this service adds goes, by the clock."""
    spent, runs = dict(results["one"]["times"]), results["one"]["runs"]
    added = 1e3 * (median(runs[SERVICE.key], "p50") - median(runs["stub"], "p50"))
    computed, total = spent.pop("cpu"), spent.pop("total")
    yield from ("", "What this service adds, by the clock; stages are medians of its log lines:", "")
    yield from _head("stage", "p50")
    for stage, milliseconds in spent.items():
        yield _row(stage, f"{milliseconds:.2f} ms")
    yield _row("Flask, guards, body, answer", f"{total - sum(spent.values()):.2f} ms")
    yield _row("before and after: gunicorn, the log line, metrics, wake-ups", f"{added - total:.2f} ms")
    yield _row("all", f"{added:.2f} ms")
    yield ""
    yield f"Until its log line the thread has computed for {computed:.2f} ms of it."


def cold(results: Results) -> Lines:
    """Users seen for the first time."""
    runs: Rows = results["cold"]["runs"]
    yield from _head("", "requests/s", "service ÷ it", "CPU a request")
    for key, rows in runs.items():
        share = ratio(runs[SERVICE.key], rows, "rate")
        spent = f"{1e6 * median(rows, 'cpu'):,.0f} µs"
        yield _row(TITLES[key], f"{median(rows, 'rate'):,.0f}", f"{share:.2f}", spent)


def slow(results: Results) -> Lines:
    """A chat service that takes its time."""
    runs: Rows = results["slow"]["runs"]
    cases = [(delay, count) for delay in DELAYS for count in CONNECTIONS]
    yield from _head("", *(f"{delay} ms, {count} connections" for delay, count in cases))
    for key, title in _SLOW.items():
        yield _row(title, *(_crowded(runs[f"{key} {delay} {count}"]) for delay, count in cases))


def _crowded(rows: list[dict[str, float]]) -> str:
    share = median(rows, "refused_share")
    refused = f", {100 * share:.0f} % refused" if share else ""
    return f"{median(rows, 'rate'):,.0f}/s, {1e3 * median(rows, 'p95'):,.0f} ms{refused}"


def hung(results: Results) -> Lines:
    """A chat service that never answers."""
    yield from _head("", "answered", "p50", "p95")
    for key in (SERVICE.key, PASS_THROUGH.key, USUAL.key, AIOHTTP_SAME.key):
        (row,) = results["hung"]["runs"][key]
        answered = f"{row['asked'] - row['lost']:.0f} of {row['asked']:.0f}"
        yield _row(TITLES[key], answered, f"{1e3 * row['p50']:,.1f} ms", f"{1e3 * row['p95']:,.1f} ms")


def workers(results: Results) -> Lines:
    """One worker and two."""
    runs: Rows = results["workers"]["runs"]
    yield from _head("", "one worker", "two workers", "")
    for key in (SERVICE.key, PASS_THROUGH.key, AIOHTTP_SAME.key):
        one, two = runs[f"{key} 1"], runs[f"{key} 2"]
        rates = (f"{median(rows, 'rate'):,.0f}/s" for rows in (one, two))
        yield _row(TITLES[key], *rates, f"{ratio(two, one, 'rate'):.2f} ×")


def users(results: Results) -> Lines:
    """Few users and many."""
    yield from _head("", "CPU a send")
    for key, words in _USERS.items():
        yield _row(words, f"{1e6 * median(results['users']['runs'][key], 'cpu'):,.0f} µs")


def stages(results: Results) -> Lines:
    """Microseconds a stage."""
    spent: dict[str, float] = results["stages"]["stages"]
    yield from _head("stage", "CPU a send")
    for stage in STAGES:
        if stage in spent:
            yield _row(stage, f"{spent[stage]:.0f} µs")
    yield _row("all", f"{sum(spent.values()):,.0f} µs")


def capacity(results: Results) -> Lines:
    """Sends a second for threads, workers and delays, also for docs/operating/capacity.md."""
    runs: Rows = results["capacity"]["runs"]
    delays = sorted({int(key.split()[2]) for key in runs})
    yield from _head("workers × threads", *(f"{delay} ms" for delay in delays))
    for count, threads in dict.fromkeys(tuple(key.split()[:2]) for key in runs):
        cells = (f"{median(runs[f'{count} {threads} {delay}'], 'rate'):,.0f}" for delay in delays)
        yield _row(f"{count} × {threads}", *cells)


def _head(*cells: str) -> Lines:
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
