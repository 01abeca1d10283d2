"""What the listener of METRICS_BIND tells of workers, and how long it listens to whoever asks."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from config.serving.deadline_reader import DeadlineReader
from config.serving.listener import _Server
from config.serving.observer import Observer
from tests.environs import ROOT
from tests.system.processes import await_until

# A worker that tells whether it has keys, and stays.
WORKER = """\
import sys
from app.web.metrics import Metrics
metrics = Metrics()
metrics.set("workers", 1)
metrics.set("workers_ready", float(sys.argv[1]))
print(flush=True)
input()
"""

# A listener where no thread can start.
WITHOUT_THREADS = """\
import os, socket, sys, threading
from pathlib import Path
from config.serving.listener import serve
def refuse(_):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), os.getppid())
"""


@pytest.fixture
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Observer]:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, request.param],
        cwd=ROOT,
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Observer(tmp_path)
        process.communicate(b"\n")


@pytest.mark.parametrize(
    ("worker", "draining", "status", "reasons"),
    [
        ("1", False, 200, []),
        ("0", False, 503, ["no key to verify tokens with has been loaded"]),
        ("1", True, 503, ["draining"]),
    ],
    indirect=["worker"],
)
def test_readiness(worker: Observer, draining: bool, status: int, reasons: list[str]) -> None:  # noqa: FBT001
    """A worker that cannot check a token yet, and a master that drains, get no requests."""
    worker.draining = draining
    told, _, body = worker.ready("")
    assert (told, json.loads(body)["reasons"]) == (status, reasons)


def test_a_request_has_one_time_in_all() -> None:
    """However its bytes are spread: those that are there when it is over are not read any more."""
    now = [0.0]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reader = DeadlineReader(ours, 2.0, 100, clock=lambda: now[0])
        theirs.send(b"xx")
        now[0] = 1.0
        assert reader.readinto(bytearray(1)) == 1
        now[0] = 2.0
        with pytest.raises(TimeoutError):
            reader.readinto(bytearray(1))


def test_a_request_has_one_size_in_all(address: tuple[str, int]) -> None:
    """However many fields it has: http.server limits each of them, and only then their number."""
    head = b"GET /health/live HTTP/1.0\r\n" + b"".join(b"X-%d: %060000d\r\n" % (n, 0) for n in range(3))
    assert exchange(address, head[:131_072]).startswith(b"HTTP/1.0 431 ")


@contextmanager
def listener(folder: Path, **options: int) -> Iterator[tuple[str, int]]:
    """Run a listener, and tell where."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Server(listening, Observer(folder), **options)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, int]]:
    with listener(tmp_path) as where:
        yield where


def ask(address: tuple[str, int], path: str = "/health/live") -> bytes:
    """What a probe is told."""
    return exchange(address, b"GET %b HTTP/1.0\r\n\r\n" % path.encode())


def is_answered(address: tuple[str, int]) -> bool:
    """Whether a probe is answered, not hung up on."""
    try:
        return b"200 OK" in ask(address)
    except ConnectionError:
        return False


def exchange(address: tuple[str, int], data: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(data)
        return client.makefile("rb").read()


def test_whoever_comes_beyond_the_most_is_hung_up_on(tmp_path: Path) -> None:
    """Nobody waits for them. Connections are taken in the order in which they came."""
    with (
        listener(tmp_path, most=2) as address,
        socket.create_connection(address),
        socket.create_connection(address),
        socket.create_connection(address, timeout=5) as third,
    ):
        assert third.recv(1) == b""


def test_whoever_was_answered_leaves_their_place_to_others(tmp_path: Path) -> None:
    """A moment later: the place is free once the connection is closed."""
    with listener(tmp_path, most=2) as address:
        for _ in range(5):
            await_until(lambda: is_answered(address), lambda: "the places stay taken")


def test_whoever_comes_when_no_thread_can_start_is_answered(tmp_path: Path) -> None:
    """Workers may have taken all that the system allows: they serve, and a probe must not say otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where, number = listening.getsockname(), listening.fileno()
        command = [sys.executable, "-c", WITHOUT_THREADS, str(number), str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=[number]) as process:
            try:
                for _ in range(3):
                    assert b"200 OK" in ask(where)
            finally:
                process.kill()


def test_whoever_was_answered_without_a_thread_leaves_their_place_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or with time all would be hung up on."""
    with listener(tmp_path, most=1) as address:
        monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError))
        for _ in range(3):
            assert b"200 OK" in ask(address)


def test_files_that_cannot_be_read_are_an_error(address: tuple[str, int], tmp_path: Path) -> None:
    """Prometheus then counts the scrape as failed, and a probe as not ready; the process itself is alive."""
    tmp_path.rmdir()
    tmp_path.touch()
    for path in ("/metrics", "/health/ready"):
        assert ask(address, path).startswith(b"HTTP/1.0 500 ")
    assert b"200 OK" in ask(address)


def test_files_that_are_gone_are_no_reason(address: tuple[str, int], tmp_path: Path) -> None:
    """Whoever cleaned up there stopped no worker, and the next one that starts makes the folder anew."""
    assert b"no worker is running" in ask(address, "/health/ready")
    shutil.rmtree(tmp_path)
    assert b'{"status": "ready", "reasons": [], "workers": 0}' in ask(address, "/health/ready")
    assert ask(address, "/metrics").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /nothing?at=all HTTP/1.0", 404, "NOT_FOUND"),
        ("POST /nothing HTTP/1.0", 404, "NOT_FOUND"),
        ("POST /metrics HTTP/1.0", 405, "METHOD_NOT_ALLOWED"),
        ("<b> /health/live HTTP/1.0", 405, "METHOD_NOT_ALLOWED"),
        ("GET /metrics HTTP/9.9", 505, "HTTP_VERSION_NOT_SUPPORTED"),
        ("GET /metrics <b> HTTP/1.0", 400, "BAD_REQUEST"),
    ],
)
def test_a_refusal_is_as_those_of_the_api(
    address: tuple[str, int], request_line: str, status: int, code: str
) -> None:
    """Its error object, the same general headers, and nothing of what was asked but the path."""
    told = exchange(address, f"{request_line}\r\n\r\n".encode())
    head, _, body = told.partition(b"\r\n\r\n")
    answer = json.loads(body)
    assert set(answer) == {"error", "code", "timestamp", "path", "request_id"}
    assert (answer["code"], answer["path"] in {"", "/nothing", "/metrics", "/health/live"}) == (code, True)
    assert b"<" not in told
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.0 {status} ")
    assert {f"X-Request-ID: {answer['request_id']}", "Content-Type: application/json"} < set(lines)
    assert ("Allow: GET, HEAD" in lines) is (status == 405)


@pytest.mark.parametrize(("given", "is_taken"), [("an-id", True), ("no id", False), ("x" * 65, False)])
def test_every_answer_has_the_general_headers(address: tuple[str, int], given: str, is_taken: bool) -> None:  # noqa: FBT001
    """And the caller's request id, where it is one."""
    told = exchange(address, f"GET /health/live HTTP/1.0\r\nX-Request-ID: {given}\r\n\r\n".encode())
    lines = told.decode().split("\r\n")
    assert {"X-Content-Type-Options: nosniff", "Cache-Control: no-store"} < set(lines)
    (request_id,) = [line.removeprefix("X-Request-ID: ") for line in lines if line.startswith("X-Request-ID: ")]
    assert (request_id == given) is is_taken
