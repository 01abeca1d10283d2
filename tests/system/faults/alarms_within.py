"""What alerts are for, made for real: faults of the service itself."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from tests.people import SECRET
from tests.system.clients import Request, ask
from tests.system.faults.acts import late
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.laboratory import Act
from tests.system.faults.losses import Loss, file_held
from tests.system.faults.stage import Report, Stage
from tests.system.faults.watches import Fault, watched
from tests.system.processes import await_until
from tests.system.servers import OURS, Kind, Server, gunicorn

_BROKEN = gunicorn(application="tests.system.faults.broken:app")
# Its output goes through `cat`, as it does through a container's log driver.
_PIPED = """\
import os, subprocess, sys
read, write = os.pipe()
subprocess.run(["/bin/sh", "-c", "exec 3<&0; cat <&3 & echo $! >$0", sys.argv[1]], stdin=read)
os.dup2(write, 1), os.dup2(write, 2), os.close(read)
os.execv(sys.argv[2], sys.argv[2:])
"""


def processes(stage: Stage) -> Report:
    """A fault of ours, a store of its own that is held, a worker that cannot be loaded, and death."""
    secret = stage.folder / "secret"
    secret.write_text(SECRET)
    with file_held(stage.folder) as store:
        settings = {"STORE_URL": store.url, "JWT_SECRET": "", "JWT_SECRET_FILE": str(secret)}
        with watched(stage, "processes", settings, kind=_BROKEN) as scene:
            scene.calm(5)
            scene.play(_worker_missing(scene.server, secret))
            for fault in _faults_of_ours(scene.server, store):
                scene.play(fault)
    return scene.report


def _faults_of_ours(server: Server, store: Loss) -> list[Fault]:
    def kill_workers() -> None:
        for _ in range(7):
            os.kill(server.pids()[0], signal.SIGKILL)
            await_until(lambda: server.accept(2), lambda: server.log)

    def restart() -> None:
        server.wait()
        server.start()

    gone = {"InstanceDown": "Failed to connect"}
    return [
        Fault("a fault", {"InternalErrors": "ZeroDivisionError"}, partial(_break, server), lambda: None),
        Fault("file held", {"StoreLost": "store lost"}, store.lose, store.restore),
        Fault("workers die", {"WorkersDying": "SIGKILL"}, kill_workers, lambda: None),
        Fault("SIGTERM", gone, partial(server.signal, signal.SIGTERM), restart),
        Fault("all killed", gone, lambda: os.killpg(server.process.pid, signal.SIGKILL), restart),
    ]


def _worker_missing(server: Server, secret: Path) -> Fault:
    """The others serve; it starts by itself once the file is back."""
    away = secret.with_name("away")

    def lose() -> None:
        secret.rename(away)
        os.kill(server.pids()[0], signal.SIGKILL)

    return Fault("worker missing", {"WorkersMissing": "JWT_SECRET_FILE"}, lose, partial(away.rename, secret))


def _break(server: Server) -> None:
    assert ask(server.port, Request("GET", "/broken")).code == "INTERNAL_ERROR"


def too_much(stage: Stage) -> Report:
    """More sends than there is room for."""

    def usual(act: Act) -> None:
        stage.laboratory.usual = act

    with watched(stage, "too much", {"THREADS": "8", "CHAT_TIMEOUT_SECONDS": "10"}, callers=24) as scene:
        scene.calm(3)
        expected = {"SendsFailing": "OVERLOADED", "Overloaded": r"upstream_ms( 2\d{3}\S*)+"}
        scene.play(Fault("full", expected, partial(usual, late(2.0)), partial(usual, DELIVERS.act)))
    return scene.report


def log_unread(stage: Stage) -> Report:
    """What reads the log stops, so that no thread gets rid of its line."""
    reader = stage.folder / "reader"
    with watched(stage, "log unread", {"THREADS": "8"}, callers=24, kind=_piped(reader)) as scene:
        scene.calm(3)

        def tell(number: signal.Signals) -> None:
            os.kill(int(reader.read_text()), number)

        stop, go_on = partial(tell, signal.SIGSTOP), partial(tell, signal.SIGCONT)
        scene.play(Fault("unread", {"AnswersStuck": "pipe_write"}, stop, go_on))
    return scene.report


def _piped(reader: Path) -> Kind:
    command = (sys.executable, "-c", _PIPED, str(reader), *OURS.arguments(0))
    return Kind("gunicorn with its log in a pipe", lambda _: command, epoll=True)
