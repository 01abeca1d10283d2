"""However the sandbox ends, nothing of it stays."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.sandbox.launcher import start, stop
from tests.system.sandbox.launched import Launched

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are followed through /proc and pidfd"),
]


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def interrupt_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def interrupt_twice(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)


def terminate(process: subprocess.Popen[str]) -> None:
    process.terminate()


def hang_up(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize("how", [interrupt, interrupt_group, interrupt_twice, terminate, hang_up])
def test_a_signal_leaves_nothing_behind(own: Launched, how: Callable[[subprocess.Popen[str]], None]) -> None:
    """However it is told to stop: exit code 0, no process, no port, no announcement."""
    own.read_until_ready()
    assert own.running() >= 3
    how(own.process)
    assert own.process.wait(60) == 0
    assert own.running() == 0
    assert not (own.var / "sandbox.json").exists()
    with closing(socket.create_server(("127.0.0.1", own.port))):
        pass


def test_what_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    """A process that ignores SIGTERM, and what it started, are gone when stop() returns or a moment later."""
    held = tmp_path / "held"
    os.mkfifo(held)
    script = f"trap '' TERM; exec 3>{held}; sleep 60 & echo ready >&3; wait"
    process = start(("/bin/sh", "-c", script), tmp_path / "log", {"PATH": os.defpath})
    with held.open() as holders:
        assert holders.readline() == "ready\n"
        stop(process, seconds=0.1)
        assert process.returncode == -signal.SIGKILL
        # The end of the file comes when the last process that holds it has ended.
        ended, _, _ = select.select([holders], [], [], 15)
        assert ended == [holders]


def test_a_killed_launcher_takes_its_children_along(own: Launched) -> None:
    """Nothing outlives it for long, although it could not tell anybody."""
    own.read_until_ready()
    own.process.kill()
    own.process.wait(60)
    assert own.running(seconds=30) == 0


def test_a_service_that_ends_ends_all(own: Launched) -> None:
    """The launcher exits 1 and says where the service's log is."""
    own.read_until_ready()
    (master,) = Path(f"/proc/{own.process.pid}/task/{own.process.pid}/children").read_text().split()
    os.kill(int(master), signal.SIGKILL)
    out, _ = own.process.communicate(timeout=60)
    assert own.process.returncode == 1
    assert out.strip() == f"The service ended by itself (exit -9); see {own.var}/service.log."
    assert own.running(seconds=30) == 0
