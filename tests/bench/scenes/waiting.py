"""A chat service that is slow, and one that never answers."""

import http.client
import statistics
import threading
import time
from contextlib import closing
from functools import partial

from tests.bench.contenders import AIOHTTP_SAME, PASS_THROUGH, SERVICE, USUAL, Place
from tests.bench.ground import Ground, Running
from tests.bench.load import Plan
from tests.bench.rounds import Bench, Row, Rows, interleave, row, say

DELAYS = (50, 200)
SECONDS = {50: 2, 200: 5}
CONNECTIONS = (32, 128, 500)
THREADS = 128
# Three quarters of the threads may wait for another service.
ROOMY = 172
_USERS = 2000
_PATIENCE = 3.0


def slow(bench: Bench) -> dict[str, Rows]:
    """50 and 200 ms, with 32, 128 and 500 connections; who is refused comes again a second later."""
    found: Rows = {}
    for delay in DELAYS:
        with Ground(bench.folder / str(delay), _USERS) as ground:
            servers = _servers(ground, delay)
            for count in CONNECTIONS:
                for server in servers.values():
                    server.measure(_plan(server, count, 1))
                runs = {
                    f"{key} {delay} {count}": partial(_run, server, _plan(server, count, SECONDS[delay]), delay)
                    for key, server in servers.items()
                }
                found |= interleave(bench, runs)
    return {"runs": found}


def _plan(server: Running, connections: int, seconds: float) -> Plan:
    # The service refuses and says when to come again; others let everybody wait.
    pause = 1000 if server.contender is SERVICE else 0
    return Plan(connections=connections, seconds=seconds, users=_USERS, strict=False, pause=pause)


def _servers(ground: Ground, delay: int) -> dict[str, Running]:
    environ = {"CHAT_SERVICE_URL": ground.chat_url(delay)}
    return {
        "service": ground.start(SERVICE, threads=THREADS, environ=environ),
        "service_roomy": ground.start(SERVICE, threads=ROOMY, environ=environ),
        "pass_through": ground.start(PASS_THROUGH, threads=THREADS, environ=environ),
        "aiohttp_same": ground.start(AIOHTTP_SAME, environ=environ),
    }


def hung(bench: Bench) -> dict[str, Rows]:
    """150 connections that send to a chat service which never answers; how soon others get their answers."""
    found: Rows = {}
    with Ground(bench.folder, _USERS) as ground:
        environ = {"CHAT_SERVICE_URL": ground.chat_url("hang")}
        for contender in (SERVICE, PASS_THROUGH, USUAL, AIOHTTP_SAME):
            server = ground.start(contender, environ=environ, first="GET")
            found[contender.key] = [_beside(server)]
            say(f"  {contender.key}: {found[contender.key][0]}")
    return {"runs": found}


def _beside(server: Running) -> Row:
    plan = Plan(connections=150, seconds=8, users=_USERS, strict=False, pause=1000)
    senders = threading.Thread(target=server.measure, args=(plan,))
    senders.start()
    time.sleep(1)
    times = []
    until = time.monotonic() + 6
    while time.monotonic() < until:
        times.append(_seconds(server.place))
        time.sleep(0.02)
    senders.join()
    lost = sum(seconds >= _PATIENCE for seconds in times)
    p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return {"asked": len(times), "lost": lost, "p50": statistics.median(times), "p95": p95}


def _seconds(place: Place) -> float:
    """How long `GET /v1` takes, which needs nobody; a caller gives up after 3 s."""
    started = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", place.port, timeout=_PATIENCE)) as connection:
        try:
            connection.request("GET", "/v1")
            connection.getresponse().read()
        except OSError:
            return _PATIENCE
    return time.monotonic() - started


def _run(server: Running, plan: Plan, delay: int) -> Row:
    return row(server.measure(plan), delay=delay / 1000)
