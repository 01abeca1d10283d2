"""Tokens of keys that nobody knows, while the key server is of no use: who has a good one sends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from threading import Event
from time import monotonic

from tests.system.attacks.ground import Lane, in_lanes, serve, watched
from tests.system.attacks.oracles import no_entry
from tests.system.clients import ask, sending, together
from tests.system.faults.stage import Report, Stage
from tests.system.processes import await_until
from tests.system.servers import READY
from tests.unit.key_servers import Behaviour, KeyServer, answers, forged, publishes, signed
from tests.unit.upstream.peers import Caller

PAUSE_SECONDS = 30.0
# At the 99th percentile, beyond what a send takes where the key server is well.
SLOWER_SECONDS = 0.05
_WORKERS = 2
_LANES = 4


def _troubles(stage: Stage) -> Iterator[Behaviour]:
    """What the key server does to one fetch after the other."""
    troubles: list[Behaviour] = [
        Caller.wait,
        Caller.reset,
        answers(500),
        answers(302, b"", f"Location: http://127.0.0.1:{stage.trap.port}/"),
        answers(200, b"\0\xff" * 1000),
        answers(200, b'{"keys": []}'),
        answers(200, b'{"keys": [' + b" " * 400_000),
    ]
    stage.random.shuffle(troubles)
    return cycle(troubles)


@watched
def strange_kids(stage: Stage, count: int, seconds: float, *, slack: float = 0.0) -> Report:
    """So many strange kids, and a tenth as many good sends, spread over so many seconds.

    As many good sends go to a service that nobody besieges, whose key server is well: at the same time, so that
    both meet whatever else the machine does. Those here may be 50 ms and `slack` seconds slower.
    """
    fetched: list[float] = []
    troubles = _troubles(stage)

    def trouble(caller: Caller) -> None:
        fetched.append(monotonic())
        next(troubles)(caller)

    with KeyServer(publishes("RSA")) as well, KeyServer(publishes("RSA")) as unwell:
        ports = {name: _serve(stage, keys.url) for name, keys in (("well", well), ("unwell", unwell))}
        unwell.behaviour = trouble
        took, wrong = _besiege(ports, [f"strange-{number}" for number in range(count)], seconds)
    report = Report(f"{count} strange kids in {seconds:.0f} s, and a key server of no use")
    report.figures["good sends"] = len(took["unwell"])
    report.figures["median, 99 %, slowest (ms)"] = _figures(took["unwell"])
    report.figures["the same elsewhere, meanwhile"] = _figures(took["well"])
    report.figures["fetches"] = len(fetched)
    report.violations = [*wrong, *("a redirect was followed" for _ in stage.trapped)]
    late = _percentile(took["unwell"], 0.99) - _percentile(took["well"], 0.99)
    report.violations += [f"{1000 * late:.0f} ms slower"] * (late > SLOWER_SECONDS + slack)
    gaps = [later - earlier for earlier, later in zip(fetched, fetched[_WORKERS:], strict=False)]
    # Fetches are counted when they arrive, which may be a moment after they were begun.
    report.violations += [f"fetched again after {gap:.1f} s" for gap in gaps if gap < PAUSE_SECONDS - 1]
    return report


def _serve(stage: Stage, url: str) -> int:
    """The port of a service whose workers have these keys; each begins with its first request."""
    names = {"JWT_SECRET": "", "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": url, "WEB_CONCURRENCY": f"{_WORKERS}"}
    server = serve(stage, names)

    def have_keys() -> bool:
        ask(server.port, READY)
        return len(server.events("keys loaded")) == _WORKERS

    await_until(have_keys, lambda: server.log)
    return server.port


def _percentile(took: Sequence[float], share: float) -> float:
    return sorted(took)[int((len(took) - 1) * share)]


def _figures(took: Sequence[float]) -> list[float]:
    return [round(1000 * _percentile(took, share), 1) for share in (0.5, 0.99, 1)]


def _besiege(
    ports: Mapping[str, int], kids: Sequence[str], seconds: float
) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds that the good sends took at each port, and what was wrong; the kids go to the unwell one."""
    good = [signed("RSA", "RS256")] * (len(kids) // 10)
    took: dict[str, list[float]] = {name: [] for name in ports}

    def present(text: str) -> bytes:
        return sending(headers={"Authorization": f"Bearer {text}"}).to_bytes()

    def send(name: str, lane: Lane, text: str) -> list[str]:
        answer = lane.exchange(present(text))
        took[name].append(answer.seconds)
        return [f"{answer.status} to a good token"] * (answer.status != 200)

    def knock(lane: Lane, kid: str) -> list[str]:
        return list(no_entry(lane.exchange(present(forged(kid))), presented=True))

    sides: list[Callable[[], list[str]]] = [
        partial(in_lanes, port, good, _paced(partial(send, name), len(good), seconds), _LANES)
        for name, port in ports.items()
    ]
    sides.append(partial(in_lanes, ports["unwell"], kids, _paced(knock, len(kids), seconds), _LANES))
    return took, [wrong for found in together(sides) for wrong in found]


def _paced(
    attack: Callable[[Lane, str], list[str]], count: int, seconds: float
) -> Callable[[Lane, str], list[str]]:
    """The same, so slowly that all of them take so many seconds."""

    def slowly(lane: Lane, item: str) -> list[str]:
        begun = monotonic()
        wrong = attack(lane, item)
        Event().wait(max(0.0, begun + _LANES * seconds / count - monotonic()))
        return wrong

    return slowly
