"""Two instances behind nginx, restarted one after the other while callers send."""

from collections.abc import Callable
from time import monotonic

from tests.system.faults.acts import late
from tests.system.faults.deaths import all_sent
from tests.system.faults.loads import once, under_load
from tests.system.faults.stage import PATIENT, Report, Stage
from tests.system.proxies import Nginx
from tests.system.servers import Kind, Server, gunicorn

_CALLERS = 20
# A worker leaves after so many requests: a few times in a scene.
_WEARING: Kind = gunicorn("--max-requests", "100", "--max-requests-jitter", "50")


def _takes_out(nginx: Nginx, server: Server) -> None:
    """As docs/operating says it: nothing goes to the instance while it is restarted."""
    nginx.take_out(server.port)
    _restarts(nginx, server)
    nginx.take_out()


def _restarts(_: Nginx, server: Server) -> None:
    code = server.stop()
    assert code == 0, f"exit code {code}"
    server.start()


# How an instance is restarted, by what is said of it in docs/operating.
WAYS: dict[str, Callable[[Nginx, Server], None]] = {
    "SIGTERM, taken out before": _takes_out,
    "SIGTERM, its socket held": _restarts,
    "SIGHUP": lambda _, server: server.renew(),
    "SIGTERM alone": _restarts,
}


def rolling_restarts(stage: Stage, way: str, times: int, latency: float) -> Report:
    """Restart an instance so many times, while the workers of both wear out: every send is answered 200, once.

    The chat service takes `latency` seconds.
    """
    stage.laboratory.usual = late(latency)
    shared = f"sqlite:///{stage.folder}/state.sqlite3"
    servers = [stage.prepare(_WEARING, STORE_URL=shared, **PATIENT) for _ in range(2)]
    for server in servers:
        (server.hold() if "held" in way else server).launch()
    for server in servers:
        server.await_start()
    begun = monotonic()
    with (
        Nginx(stage.folder / "nginx", [server.port for server in servers]) as nginx,
        under_load(*[once(stage, nginx.port)] * _CALLERS) as attempts,
    ):
        for number in range(times):
            WAYS[way](nginx, servers[number % len(servers)])
    seconds = monotonic() - begun
    report = all_sent(f"{times} x {way} behind nginx, max_requests all the while", stage, attempts)
    report.figures["sends a second"] = round(len(attempts) / seconds, 1)
    took = sorted(attempt.answer.seconds for attempt in attempts if attempt.answer)
    quantiles = (took[len(took) // 2], took[int(len(took) * 0.99)], took[-1])
    report.figures["median, 99 %, slowest (s)"] = [round(each, 2) for each in quantiles]
    return report
