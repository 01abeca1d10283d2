"""Files that settings name, changed while the service runs, and read again on SIGHUP."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jwt
import pytest

from tests.people import SECRET, claims
from tests.system.clients import Answer, Request, ask, sending
from tests.system.conftest import Serve
from tests.system.processes import await_until
from tests.system.servers import Server, gunicorn
from tests.system.standins import Services
from tests.unit.keys import pem, private_key

pytestmark = pytest.mark.system

OTHER = "another secret of the tests, longer than 32 bytes"
SETTINGS = {"RATE_LIMIT": "1000 per minute", "LOG_LEVEL": "WARNING", "JWT_SECRET": ""}

# An application that tells where its trial counts.
WATCHED = """\
import os, sys
from pathlib import Path
from wsgi import app
if "--check-config" in sys.argv:
    (Path(__file__).parent / "tried").write_text(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "nowhere"))
"""


@dataclass(frozen=True, slots=True)
class Rotation:
    """From one key to another: the setting's name, the algorithm, and for each key its file and its signer."""

    name: str
    algorithm: str
    texts: tuple[str, str]
    signers: tuple[object, object]

    def request(self, which: int, user: str) -> Request:
        """A send with a token of the old (0) or the new (1) key."""
        token = jwt.encode(claims(user), self.signers[which], algorithm=self.algorithm)  # type: ignore[arg-type] # a key
        return sending(headers={"Authorization": f"Bearer {token}"})


SECRETS = Rotation("JWT_SECRET", "HS256", (SECRET, OTHER), (SECRET, OTHER))
PUBLIC_KEYS = Rotation(
    "JWT_PUBLIC_KEY",
    "RS256",
    (pem("RSA"), pem("another RSA")),
    (private_key("RSA"), private_key("another RSA")),
)


def put(folder: Path, current: str, previous: str) -> None:
    """Put the two files in place, each in one step."""
    for name, text in (("current", current), ("previous", previous)):
        new = folder / "new"
        new.write_text(text)
        new.rename(folder / name)


def rotating(serve: Serve, rotation: Rotation, folder: Path) -> Server:
    """A server that takes its keys from these files."""
    put(folder, rotation.texts[0], "")
    previous = rotation.name.replace("JWT_", "JWT_PREVIOUS_")
    files = {f"{rotation.name}_FILE": str(folder / "current"), f"{previous}_FILE": str(folder / "previous")}
    return serve(JWT_ALGORITHMS=rotation.algorithm, **SETTINGS, **files)


class Callers:
    """Four who send until the block ends, each one message after the other, with a token of the key `which`."""

    def __init__(self, port: int, rotation: Rotation) -> None:
        self.which = 0
        self.answers: list[list[Answer]] = [[] for _ in range(4)]
        self._port, self._rotation = port, rotation
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(len(self.answers))

    def go_on(self) -> None:
        """Return when each has sent at least once from the first byte to the last."""
        begun = [len(answers) for answers in self.answers]
        await_until(
            lambda: all(len(now) >= before + 2 for now, before in zip(self.answers, begun, strict=True)),
            lambda: f"nothing is answered: {self.answers}",
        )

    def __enter__(self) -> Self:
        for number, answers in enumerate(self.answers):
            self._threads.submit(self._send, f"a-member-{number}", answers)
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()

    def _send(self, user: str, answers: list[Answer]) -> None:
        while not self._over.is_set():
            answers.append(ask(self._port, self._rotation.request(self.which, user)))


@pytest.mark.parametrize("rotation", [SECRETS, PUBLIC_KEYS], ids=["secret", "public key"])
def test_a_key_is_rotated_without_a_lost_request(
    serve: Serve, services: Services, tmp_path: Path, rotation: Rotation
) -> None:
    """Both keys are good after the first SIGHUP, then the new one alone; nobody is refused."""
    server = rotating(serve, rotation, tmp_path)
    with Callers(server.port, rotation) as callers:
        put(tmp_path, rotation.texts[1], rotation.texts[0])
        server.renew()
        callers.go_on()
        callers.which = 1
        callers.go_on()
        put(tmp_path, rotation.texts[1], "")
        server.renew()
        callers.go_on()

    answers = [answer for each in callers.answers for answer in each]
    assert {answer.status for answer in answers} == {200}
    assert len(services.ledger.entries) == len(answers)
    assert ask(server.port, rotation.request(0, "a-member")).status == 401


def test_a_wrong_file_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    """The workers that run go on; the log says why, without a value. Once it is mended, SIGHUP works again."""
    good = {"JWT_SECRET": SECRET, "STORE_URL": f"sqlite:///{tmp_path}/state.sqlite3"}
    for name, text in good.items():
        (tmp_path / name).write_text(text)
    server = serve(**dict.fromkeys(good, ""), **{f"{name}_FILE": str(tmp_path / name) for name in good})
    workers = server.pids()
    for name, wrong in (
        ("JWT_SECRET", "canary"),
        ("STORE_URL", "redis+sentinel://:canary@redis"),
        ("STORE_URL", ""),
    ):
        refused = len(server.events("reload refused"))
        (tmp_path / name).write_text(wrong)
        server.signal(signal.SIGHUP)
        server.await_events("reload refused", refused + 1)
        reason = server.events("reload refused")[-1]["reason"]
        assert f"  {name}{'' if wrong else '_FILE'}: " in reason
        assert len(reason.splitlines()) == 2
        (tmp_path / name).write_text(good[name])

    assert "canary" not in server.log
    assert server.pids() == workers
    assert ask(server.port, sending()).status == 200
    server.renew()
    assert ask(server.port, sending()).status == 200


def test_the_trial_counts_nowhere(serve: Serve, tmp_path: Path) -> None:
    """In full memory a write to a file of metrics would end it (SIGBUS), and SIGHUP would be refused."""
    (tmp_path / "watched.py").write_text(WATCHED)
    server = serve(gunicorn(application="watched:app"), PYTHONPATH=str(tmp_path))
    server.renew()
    assert (tmp_path / "tried").read_text() == "nowhere"
    assert ask(server.port, sending()).status == 200
