"""A service that is set wrongly does not start, and says what is wrong without saying any value."""

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
WRONG = {
    "a mixed family": {"JWT_ALGORITHMS": "HS256 RS256"},
    "no algorithm": {"JWT_ALGORITHMS": "none"},
    "a short secret": {"JWT_SECRET": CANARY[:6]},
    "a secret that is a key file": {
        "JWT_SECRET": f"-----BEGIN PUBLIC KEY-----\n{CANARY}\n-----END PUBLIC KEY-----"
    },
    "a secret file that is not there": {"JWT_SECRET": "", "JWT_SECRET_FILE": f"/nowhere/{CANARY}"},
    "no issuer": {"JWT_ISSUER": ""},
    "no audience": {"JWT_AUDIENCE": ""},
    "another scheme": {"CHAT_SERVICE_URL": f"ftp://{CANARY}"},
    "a password in a URL": {"ACCOUNT_SERVICE_URL": f"http://user:{CANARY}@127.0.0.1"},
    "a token with a line break": {"CHAT_SERVICE_TOKEN": f"{CANARY}\r\nX-Evil: 1"},
    "no limit": {"RATE_LIMIT": f"{CANARY} a minute"},
    "two limits": {"RATE_LIMIT": "30 per minute; 100 per hour"},
    "an unknown store": {"STORE_URL": f"mysql://user:{CANARY}@127.0.0.1/limits"},
    "no time": {"CHAT_TIMEOUT_SECONDS": "0"},
    "not a number": {"MAX_BODY_BYTES": CANARY},
    "no worker": {"WEB_CONCURRENCY": "0"},
    "one thread": {"THREADS": "1"},
    "no address": {"BIND": CANARY},
    "no size": {"MAX_BODY_BYTES": "-1"},
    "an unknown level": {"LOG_LEVEL": CANARY},
}


def refusal(server: Server) -> str:
    """What a server that must not start wrote: it ends by itself, without a traceback or a value."""
    server.launch()
    assert server.wait() != 0
    assert "Traceback" not in server.log
    assert "canary" not in server.log
    assert server.is_free()
    return server.log


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_setting_is_named(prepare: Serve, wrong: str) -> None:
    """The start ends with a message that names the variable, and with an exit code other than 0."""
    log = refusal(prepare(**WRONG[wrong]))
    assert f"\n  {list(WRONG[wrong])[-1]}: " in log


def test_all_wrong_settings_are_named_at_once(prepare: Serve) -> None:
    """Nobody has to start five times to find five mistakes."""
    log = refusal(prepare(JWT_SECRET=CANARY[:6], THREADS="x", BIND="y", RATE_LIMIT="z", LOG_LEVEL=CANARY))
    assert [line.split(":")[0].strip() for line in log.splitlines()[1:]] == [
        "JWT_SECRET",
        "RATE_LIMIT",
        "BIND",
        "THREADS",
        "LOG_LEVEL",
    ]


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
