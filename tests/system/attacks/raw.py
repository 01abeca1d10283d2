"""Mangled requests: each has one answer, of the application or of the parser, or the connection ends."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from http.client import parse_headers
from io import BytesIO
from time import monotonic

from tests.system.attacks.ground import Lane, in_lanes, secrets_in, serve, watched
from tests.system.attacks.mangling import good, mangled, misframed
from tests.system.attacks.oracles import blemishes
from tests.system.clients import Answer, Connection
from tests.system.faults.stage import Report, Stage

# What the application may answer to any of them, and what the parser may.
CONTRACT = (200, 400, 401, 403, 404, 405)
PARSER = {400, 414, 417, 431, 501}


def answers_in(data: bytes, seconds: float) -> Iterator[Answer]:
    """The answers in all that came; interim ones are left out."""
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if status == 100:
            continue
        headers = parse_headers(BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
        length = int(headers["Content-Length"])
        assert len(data) >= length, "an answer was cut"
        yield Answer(status, headers, data[:length], seconds)
        data = data[length:]


def exchange(port: int, data: bytes) -> list[Answer]:
    """All answers to these bytes, after which the client sends nothing more."""
    begun, received = monotonic(), bytearray()
    with Connection(port) as connection:
        try:
            connection.socket.sendall(data)
            connection.socket.shutdown(socket.SHUT_WR)
        except ConnectionError:
            # The service may answer, and hang up, before it has all of it.
            pass
        try:
            while piece := connection.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
    return list(answers_in(bytes(received), monotonic() - begun))


@watched
def raw(stage: Stage, count: int) -> Report:
    """`count` mangled requests and a tenth as many misframed ones, each on a connection of its own."""
    server = serve(stage)
    pids = server.pids()
    requests = [mangled(stage.random, stage.random.choice(good(number))) for number in range(count)]
    requests += [misframed(stage.random, number) for number in range(count // 10)]
    told: Counter[str] = Counter()
    sent: list[str] = []
    slowest = [0.0]

    def attack(_: Lane, data: bytes) -> Iterator[str]:
        answers = exchange(server.port, data)
        told[_kind(answers)] += 1
        for wrong in _wrong_with(answers):
            yield f"{wrong} to {data[:600]!r}"
        for answer in answers:
            slowest[0] = max(slowest[0], answer.seconds)
            if answer.headers["X-Send-Outcome"] == "sent" and "Idempotent-Replayed" not in answer.headers:
                sent.append(answer.headers["X-Request-ID"])

    report = Report(f"{len(requests)} mangled requests")
    report.violations = in_lanes(server.port, requests, attack)
    entries = [entry.request_id for entry in stage.ledger.entries]
    report.figures["answers"] = dict(told.most_common())
    report.figures["messages sent, and told as sent"] = [len(entries), len(sent)]
    report.figures["slowest answer (s)"] = round(slowest[0], 3)
    difference = (Counter(entries) - Counter(sent)) + (Counter(sent) - Counter(entries))
    report.violations += [f"sent and told otherwise: {name}" for name in difference]
    report.violations += ["a worker was replaced"] * (server.pids() != pids)
    report.violations += [
        f"logged: {line}" for line in server.log_lines() if line["level"] in {"ERROR", "CRITICAL"}
    ]
    return report


def _kind(answers: Sequence[Answer]) -> str:
    if not answers:
        return "closed"
    return f"{answers[0].status} of the {'application' if _is_ours(answers[0]) else 'parser'}"


def _is_ours(answer: Answer) -> bool:
    return "X-Request-ID" in answer.headers


def _wrong_with(answers: Sequence[Answer]) -> Iterator[str]:
    if len(answers) > 1:
        yield f"{[answer.status for answer in answers]}"
    for answer in answers:
        if _is_ours(answer):
            yield from blemishes(answer, *CONTRACT)
        elif answer.status not in PARSER or answer.body or secrets_in(f"{answer.headers}"):
            yield f"the parser's {answer.status}"
