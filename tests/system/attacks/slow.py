"""Clients that stall or drip against a service with few threads: what everybody else notices of them."""

from tests.system.attacks.ground import serve, watched
from tests.system.clients import ask, sending
from tests.system.faults.stage import Report, Stage
from tests.system.servers import Server
from tests.system.slow_clients import DRIPS, PARTS, Crowd

# Within which others must be served.
STALL_SECONDS = 6.0
DRIP_SECONDS = 15.0
_OTHERS = 20


@watched
def slow(stage: Stage) -> Report:
    """50 half-open clients, then 50 half-sent bodies, then 20 drips, against two workers of four threads."""
    server = serve(stage, {"THREADS": "4", "ACCOUNT_CACHE_SECONDS": "300"})
    pids = server.pids()
    report = Report("clients that stall or drip")
    crowds = {
        "half-open": ([(25, PARTS["nothing"]), (25, PARTS["half a head"])], None),
        "half-sent": ([(25, PARTS["half a body"]), (25, PARTS["no last chunk"])], None),
        "dripping heads": ([(20, DRIPS["a head"][0])], DRIPS["a head"][1]),
        "dripping bodies": ([(20, DRIPS["a body"][0])], DRIPS["a body"][1]),
    }
    for name, (parts, rest) in crowds.items():
        with Crowd(server.port) as crowd:
            clients = [client for count, part in parts for client in crowd.join(count, part)]
            if rest is not None:
                crowd.drip(clients, rest)
            _others(server, f"{len(clients)} {name}", DRIP_SECONDS if rest else STALL_SECONDS, report)
    report.violations += ["a worker was replaced"] * (server.pids() != pids)
    return report


def _others(server: Server, name: str, allowed: float, report: Report) -> None:
    answers = [ask(server.port, sending()) for _ in range(_OTHERS)]
    slowest = max(answer.seconds for answer in answers)
    report.figures[f"{name}: slowest of {_OTHERS} others (s)"] = round(slowest, 3)
    report.violations += [f"{answer.status} during {name}" for answer in answers if answer.status != 200]
    report.violations += [f"{slowest:.1f} s during {name}"] * (slowest > allowed)
