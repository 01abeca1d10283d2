"""Signals that come at a bad moment, and workers that cannot be started: gunicorn's master loses neither."""

import fcntl
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from sysconfig import get_path

import pytest

from tests.conftest import ENVIRON
from tests.environs import ROOT
from tests.system.clients import ask, sending
from tests.system.conftest import Serve, UnderWay
from tests.system.processes import PATIENCE, accepts, await_until, children, command_line, is_running, stopped
from tests.system.scrapes import folder, tell
from tests.system.servers import OURS, Kind, gunicorn

pytestmark = pytest.mark.system

# An application that is loaded on trial, and no more by workers once there is a file named `broken`.
FICKLE = """\
import sys
from pathlib import Path
from wsgi import app
if (Path(__file__).parent / "broken").exists() and "--check-config" not in sys.argv:
    raise RuntimeError
"""


def umask(pid: int) -> str:
    """What files of this process are made with (proc_pid_status(5))."""
    (row,) = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith("Umask:")]
    return row


def test_a_worker_that_has_just_been_started_is_told_to_stop(serve: Serve) -> None:
    """Before it has handlers of its own: the signal waits for them, nobody is waited for and killed."""
    server = serve()
    with (folder(server) / "lock").open("a") as lock:
        # Keeps the next worker for a second where it is.
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.kill(server.pids()[0], signal.SIGKILL)
        server.await_booted(3)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert server.log.count("was sent SIGKILL") == 1


def test_a_worker_that_cannot_be_started_is_tried_again(serve: Serve) -> None:
    """The master may open no file for it: the others go on, the log says so once, and it starts when it can."""
    server = serve()
    master, (one, other) = server.process.pid, server.pids()
    limits, mask = resource.prlimit(master, resource.RLIMIT_NOFILE), umask(master)
    resource.prlimit(master, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(one, signal.SIGKILL)
    server.await_events("worker not started")
    assert server.pids() == [other]
    assert ask(server.port, sending()).status == 200
    resource.prlimit(master, resource.RLIMIT_NOFILE, limits)
    await_until(lambda: len(server.pids()) == 2, lambda: f"not two workers:\n{server.log}")
    assert len(server.events("worker not started")) == 1
    assert {umask(pid) for pid in (master, *server.pids())} == {mask}
    assert server.stop() == 0


def test_a_worker_that_cannot_be_loaded_for_want_of_files_is_tried_again(serve: Serve) -> None:
    """It may open enough to begin and too few to go on: the others go on, and it starts when it can."""
    server = serve()
    master, (one, other) = server.process.pid, server.pids()
    limits = resource.prlimit(master, resource.RLIMIT_NOFILE)
    resource.prlimit(master, resource.RLIMIT_NOFILE, (12, limits[1]))
    os.kill(one, signal.SIGKILL)
    server.await_events("Exception in worker process", count=2)
    assert other in server.pids()
    assert ask(server.port, sending()).status == 200
    resource.prlimit(master, resource.RLIMIT_NOFILE, limits)
    await_until(
        lambda: sum(accepts(pid, server.port) for pid in server.pids()) == 2,
        lambda: f"not two workers:\n{server.log}",
    )
    assert server.stop() == 0


def test_a_worker_that_finds_no_key_is_tried_again(serve: Serve, tmp_path: Path) -> None:
    """The file may be away for a moment, while it changes: the others go on, and it starts when it can."""
    key, away = tmp_path / "key", tmp_path / "away"
    key.write_text(ENVIRON["JWT_SECRET"])
    server = serve(JWT_SECRET="", JWT_SECRET_FILE=str(key))
    one, other = server.pids()
    key.rename(away)
    os.kill(one, signal.SIGKILL)
    await_until(
        lambda: server.log.count("JWT_SECRET_FILE: Not a readable text file.") == 2,
        lambda: f"not tried again:\n{server.log}",
    )
    assert other in server.pids()
    assert ask(server.port, sending()).status == 200
    away.rename(key)
    await_until(
        lambda: sum(accepts(pid, server.port) for pid in server.pids()) == 2,
        lambda: f"not two workers:\n{server.log}",
    )
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_stop_ends_a_renewal(serve: Serve, under_way: UnderWay, number: signal.Signals) -> None:
    """While a worker before SIGHUP still answers: that is let end, and the exit code is 0."""
    server = serve(WEB_CONCURRENCY="1")
    with under_way(server) as end:
        server.signal(signal.SIGHUP)
        server.await_booted(2)
        server.signal(number)
        server.await_events(f"Handling signal: {number.name.removeprefix('SIG').lower()}")
        assert end().status == 200
    assert server.wait() == 0
    assert server.events("Unhandled") == []


def test_a_stop_that_comes_with_a_renewal_comes_first(serve: Serve, under_way: UnderWay) -> None:
    """The master finds both at once, SIGHUP before SIGTERM, and starts nobody anew."""
    server = serve(WEB_CONCURRENCY="1")
    with under_way(server) as end:
        with stopped([server.process.pid]):
            server.signal(signal.SIGHUP)
            server.signal(signal.SIGTERM)
        await_until(server.is_free, lambda: f"still listens:\n{server.log}")
        assert end().status == 200
    assert server.wait() == 0
    assert len(server.booted()) == 1


def test_workers_that_cannot_start_cut_nobody_off(serve: Serve, under_way: UnderWay, tmp_path: Path) -> None:
    """The master gives up, with gunicorn's code for it, when the workers before have answered; it is not ready."""
    (tmp_path / "fickle.py").write_text(FICKLE)
    server = serve(gunicorn(application="fickle:app"), PYTHONPATH=str(tmp_path))
    with under_way(server) as end:
        (tmp_path / "broken").touch()
        server.signal(signal.SIGHUP)
        await_until(
            lambda: "exited with code 3" in server.log and len(server.pids()) == 1,
            lambda: f"the new ones have not ended:\n{server.log}",
        )
        await_until(lambda: tell(server, "/health/ready").status == 503, lambda: f"still ready:\n{server.log}")
        assert end().status == 200
    assert server.wait() == 3
    assert server.events("Unhandled") == []
    assert "Traceback" not in server.log


def test_a_freeze_ends_no_worker(serve: Serve, under_way: UnderWay) -> None:
    """Of the container or the machine, for longer than a worker may be silent: the sends go on as it does."""
    server = serve(gunicorn("--timeout", "2"))
    workers = server.pids()
    with under_way(server) as end:
        with stopped([server.process.pid, *workers]):
            # Nothing can be awaited of those who stand still but time.
            time.sleep(3)
        assert end().status == 200
    assert server.pids() == workers
    assert server.events("WORKER TIMEOUT") == []


def test_other_code_of_config_is_refused(serve: Serve, tmp_path: Path) -> None:
    """The workers that run go on: new ones would have the master's, and a new `app` beside it."""
    for name in ("app", "config"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    # Coverage is of this tree alone.
    away = f"cd {tmp_path} && unset COVERAGE_PROCESS_START COVERAGE_PROCESS_CONFIG"
    shell = ("sh", "-c", f'{away} && exec "$0" "$@"')
    server = serve(Kind("a release of its own", lambda port: (*shell, *OURS.arguments(port)), epoll=True))
    workers = server.pids()
    server.renew()
    assert not set(workers) & set(server.pids())
    workers = server.pids()
    with (tmp_path / "config" / "settings.py").open("a") as file:
        file.write("NEW = 1\n")
    with (tmp_path / "wsgi.py").open("a") as file:
        file.write("from config.settings import NEW\n")
    server.signal(signal.SIGHUP)
    server.await_events("reload refused")
    assert server.pids() == workers
    assert ask(server.port, sending()).status == 200


def test_a_new_master_that_cannot_begin_leaves_the_workers_alone(serve: Serve, tmp_path: Path) -> None:
    """SIGUSR2 while Python is not there: the fork that was to become a master is none over this one's workers."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    command = (str(python), *OURS.arguments(0)[1:])
    server = serve(Kind("a Python of its own", lambda _: command, epoll=True), PYTHONPATH=get_path("purelib"))
    workers = server.pids()
    python.unlink()
    server.signal(signal.SIGUSR2)
    server.await_events("new master not started")
    await_until(lambda: server.pids() == workers, lambda: f"others than {workers}:\n{server.log}")
    assert server.events("Worker exiting") == []


def test_a_new_master_is_started_as_the_one_before_it(serve: Serve) -> None:
    """SIGUSR2 after `python -X utf8 -m gunicorn`: the same command again, which serves after the old master."""
    python, *rest = OURS.arguments(0)
    server = serve(Kind("Python with an option", lambda _: (python, "-X", "utf8", *rest), epoll=True))
    old = server.process.pid
    server.signal(signal.SIGUSR2)
    server.await_booted(4)
    (new,) = [pid for pid in children(old) if len(children(pid)) > 1]
    assert command_line(new) == command_line(old)
    server.signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE) == 0
    assert ask(server.port, sending()).status == 200
    os.kill(new, signal.SIGTERM)
    await_until(lambda: not is_running(new), lambda: f"still running:\n{server.log}")


def test_workers_of_another_class_are_told_to_stop(serve: Serve) -> None:
    """`worker_class = "gthread"` is the way back (docs/adr/0004-worker.md)."""
    server = serve(gunicorn("--worker-class", "gthread"))
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert "SIGKILL" not in server.log
