"""A service that is set wrongly does not start, and says what is wrong without saying any value."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.conftest import Serve
from tests.system.servers import OURS, PLAIN, WAITRESS, Kind, Server, gunicorn

pytestmark = pytest.mark.system

CANARY = "canary-canary-canary-canary-canary"
REQUIRED = (
    "JWT_ALGORITHMS",
    "JWT_SECRET or JWT_PUBLIC_KEY_FILE",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "ACCOUNT_SERVICE_URL",
    "CHAT_SERVICE_URL",
)


def refusal(server: Server) -> str:
    """What a server that must not start wrote: it ends by itself, without a traceback or a value."""
    server.launch()
    assert server.wait() != 0
    assert "Traceback" not in server.log
    assert "canary" not in server.log
    assert server.is_free()
    return server.log


def test_all_wrong_settings_are_named_at_once(prepare: Serve) -> None:
    """Nobody has to start ten times to find ten mistakes."""
    wrong = {
        "JWT_SECRET": CANARY[:6],
        "ACCOUNT_SERVICE_URL": f"http://user:{CANARY}@127.0.0.1",
        "CHAT_SERVICE_URL": f"ftp://{CANARY}",
        "CHAT_SERVICE_TOKEN": f"{CANARY}\r\nX-Evil: 1",
        "CHAT_TIMEOUT_SECONDS": "0",
        "RATE_LIMIT": f"{CANARY} a minute",
        "STORE_URL": f"mysql://user:{CANARY}@127.0.0.1/limits",
        "MAX_BODY_BYTES": CANARY,
        "BIND": CANARY,
        "THREADS": "1",
        "LOG_LEVEL": CANARY,
    }
    log = refusal(prepare(**wrong))
    assert [line.split(":")[0].strip() for line in log.splitlines()[1:]] == list(wrong)


def test_python_may_not_drop_what_the_reference_is_made_of(prepare: Serve) -> None:
    """With PYTHONOPTIMIZE=2 there is no docstring, and the reference would describe nothing."""
    assert "send_message): nobody can read what it does" in refusal(prepare(PYTHONOPTIMIZE="2"))


@pytest.mark.parametrize("kind", [OURS, PLAIN, WAITRESS], ids=lambda kind: kind.name)
def test_without_any_setting_one_message_names_all(tmp_path: Path, kind: Kind) -> None:
    """Under every server: one message, all that is required."""
    with closing(Server(tmp_path, {}, kind)) as server:
        log = refusal(server)
    assert log.count("The service cannot start") == 1
    for names in REQUIRED:
        assert f"\n  {names}" in log


@pytest.mark.parametrize(
    ("kind", "workers"),
    [(OURS, "2"), (gunicorn("-w", "2"), "1"), (gunicorn("--workers=2"), "1")],
    ids=["WEB_CONCURRENCY", "-w", "--workers"],
)
def test_several_workers_do_not_count_in_their_own_memories(prepare: Serve, kind: Kind, workers: str) -> None:
    """memory:// with two workers would admit 60; however they are asked for, the service does not start."""
    assert "STORE_URL: memory://" in refusal(prepare(kind, STORE_URL="memory://", WEB_CONCURRENCY=workers))


@pytest.mark.skipif(os.cpu_count() == 1, reason="gunicorn starts one worker on one core")
@pytest.mark.parametrize("kind", [OURS, PLAIN], ids=lambda kind: kind.name)
def test_as_many_workers_as_cores_do_not_either(prepare: Serve, kind: Kind) -> None:
    """Untold, gunicorn may start several; the message comes with all others."""
    server = prepare(kind, STORE_URL="memory://", RATE_LIMIT="canary")
    del server.environ["WEB_CONCURRENCY"]
    log = refusal(server)
    assert "STORE_URL: memory://" in log
    assert "RATE_LIMIT: " in log


def test_one_process_counts_in_its_memory_untold(prepare: Serve) -> None:
    """A server without workers starts with memory://, whatever the number of cores."""
    server = prepare(WAITRESS, STORE_URL="memory://")
    del server.environ["WEB_CONCURRENCY"]
    server.start(1)
    assert server.events("limits and keys are kept in the memory of this process only")


def test_no_plain_http_is_served_in_place_of_tls(prepare: Serve) -> None:
    """The worker speaks no TLS: who gives gunicorn a certificate is told so, and no port is opened."""
    assert "certfile and keyfile: " in refusal(prepare(gunicorn("--certfile=setup.cfg", "--keyfile=setup.cfg")))


def test_one_worker_may_count_in_its_memory(prepare: Serve) -> None:
    """memory:// with one worker starts, says what ends with it, and stays one where SIGTTIN asks for two."""
    server = prepare(STORE_URL="memory://", WEB_CONCURRENCY="1").start()
    assert len(server.events("limits and keys are kept in the memory of this process only")) == 1
    server.signal(signal.SIGTTIN)
    server.await_events("worker refused", 1)
    assert (server.stop(), len(server.events("Booting worker"))) == (0, 1)
