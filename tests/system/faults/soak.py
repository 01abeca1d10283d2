"""A long time of ordinary traffic: what each process takes of memory and of open files stays as it is."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median
from time import monotonic

from tests.people import GLOBEX, bearer
from tests.system.behaviours import closes, http_answer, resets
from tests.system.clients import Answer, Connection, Request, sending
from tests.system.faults.acts import late, taking
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.laboratory import Act, Exchange
from tests.system.faults.stage import Report, Stage
from tests.system.scrapes import listeners, scrape, tell
from tests.system.servers import Server

GROWTH = 0.1
_USERS, _CALLERS, _PAUSE_SECONDS = 2000, 8, 0.2
_SAMPLE_SECONDS = 5.0
# Until caches are full and every thread and connection has been made.
_WARM_SHARE = 0.2
# A connection of the store has four, and there are as many as were ever needed at once. In ten minutes, a leak of
# a file a minute would show.
_MORE_FILES = 8

# Kilobytes (RSS: with PSS, other processes of the machine that share a library would count) and open files.
Sample = tuple[int, int]


def soak(stage: Stage, seconds: float, *, judged: bool = True) -> Report:
    """Mixed traffic at a steady rate; `judged` says whether growth breaks a promise: it takes minutes to tell."""
    stage.laboratory.usual = _weather(stage)
    server = stage.serve(RATE_LIMIT="30 per minute", LOG_LEVEL="INFO")
    codes, over = Counter[str](), threading.Event()
    callers = [threading.Thread(target=_call, args=(stage, server.port, codes, over)) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    try:
        samples = _sampled(server, seconds)
    finally:
        over.set()
        for caller in callers:
            caller.join()
    report = Report(f"{seconds:.0f} s of mixed traffic")
    report.figures["answers"] = dict(codes.most_common())
    report.figures["requests a second"] = round(codes.total() / seconds, 1)
    counted = int(scrape(server).total("requests_total"))
    report.figures["requests counted"] = counted
    report.violations += ["INTERNAL_ERROR"] * codes["INTERNAL_ERROR"]
    report.violations += [f"a process was replaced: {sorted(samples)}"] * (len(samples) != 4)
    for name, own in samples.items():
        grown = _grown(report, name, own)
        report.violations += grown if judged else []
    return report


def _weather(stage: Stage) -> Act:
    """Two thirds of all sends are delivered at once, most others late."""
    acts: list[Act] = [DELIVERS.act] * 8 + [late(1.0), late(0.2)]
    acts += [taking(resets), taking(closes), taking(lambda caller, _: caller.send(http_answer(503, {})))]

    def act(exchange: Exchange) -> None:
        stage.random.choice(acts)(exchange)

    return act


def _call(stage: Stage, port: int, codes: Counter[str], over: threading.Event) -> None:
    while not over.wait(_PAUSE_SECONDS):
        for request in _requests(stage):
            with Connection(port) as connection:
                codes[_code(connection.ask(request))] += 1


def _requests(stage: Stage) -> Sequence[Request]:
    """What one of many people asks next."""
    random = stage.random
    user, message = f"a-member-{random.randrange(_USERS)}", stage.message()
    own = partial(_sending, user, conversation=message.conversation, text=f"{message.number}")
    kinds: list[Callable[[], Sequence[Request]]] = [
        *[lambda: [own()]] * 10,
        *[lambda: [own({"Idempotency-Key": f"key-{message.number}"})] * 2] * 3,
        lambda: [_sending(f"a-stranger-{random.randrange(_USERS)}")],
        lambda: [_sending(user, company=GLOBEX)],
        lambda: [_sending(user, conversation="x")],
        lambda: [_sending(user, text=" ")],
        lambda: [sending(headers={"Authorization": f"Bearer {message.number}"})] * 2,
        lambda: [_sending("a-member-in-a-hurry")] * 4,
        lambda: [Request("GET", "/health/ready"), Request("GET", f"/v1/{message.number}")],
    ]
    return random.choice(kinds)()


# People keep a token for as long as it lives.
_bearer = cache(bearer)


def _sending(user: str, headers: Mapping[str, str] | None = None, **message: str) -> Request:
    return sending(user, headers={**_bearer(user), **(headers or {})}, **message)


def _code(answer: Answer) -> str:
    return str(answer.document.get("code") or answer.headers["X-Send-Outcome"] or answer.status)


def _sampled(server: Server, seconds: float) -> Mapping[str, Sequence[Sample]]:
    """What each process takes, again and again once it is warm."""
    begun, samples = monotonic(), defaultdict[str, list[Sample]](list)
    while (left := begun + seconds - monotonic()) > 0:
        threading.Event().wait(min(left, _SAMPLE_SECONDS))
        assert tell(server, "/health/ready").status == tell(server, "/metrics").status == 200
        if monotonic() - begun > _WARM_SHARE * seconds:
            for name, pid in _processes(server):
                samples[name].append(_taken(pid))
    return samples


def _processes(server: Server) -> Iterator[tuple[str, int]]:
    yield "master", server.process.pid
    yield from ((f"listener {pid}", pid) for pid in listeners(server))
    yield from ((f"worker {pid}", pid) for pid in server.pids())


def _taken(pid: int) -> Sample:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (kilobytes,) = [int(line.split()[1]) for line in rollup if line.startswith("Rss:")]
    return kilobytes, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _grown(report: Report, name: str, samples: Sequence[Sample]) -> list[str]:
    """The medians of the first and of the last fifth, beside each other."""
    fifth = max(1, len(samples) // 5)
    memory, files = (
        [median(sample[which] for sample in part) for part in (samples[:fifth], samples[-fifth:])]
        for which in range(2)
    )
    growth = memory[1] / memory[0] - 1
    report.figures[f"{name}: MB, first and last fifth"] = (
        f"{memory[0] / 1024:.1f}, {memory[1] / 1024:.1f} ({growth:+.1%}); open files {files[0]:g}, {files[1]:g}"
    )
    return [f"{name}: memory {growth:+.1%}"] * (growth >= GROWTH) + [f"{name}: open files {files}"] * (
        files[1] > files[0] + _MORE_FILES
    )
