"""The address of METRICS_BIND, in the hands of gunicorn's master."""

import math
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.serving.companion import Companion
from tests.unit.clocks import Clock


def companion(address: str, folder: Path, clock: Clock | None = None) -> Companion:
    return Companion(SimpleNamespace(log=Mock()), address, str(folder), clock or time.monotonic)


def test_an_address_that_is_given_up_in_time_is_taken(tmp_path: Path) -> None:
    """The listener of a master that was killed has it for another half second."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        ours = companion(f"127.0.0.1:{other.getsockname()[1]}", tmp_path)
        threading.Timer(0.3, other.close).start()
        ours.bind()
    ours.release()


def test_an_address_that_cannot_be_had_is_not_waited_for(tmp_path: Path) -> None:
    """It is nobody's on this machine (TEST-NET-1): that does not change, however patient somebody is."""
    with pytest.raises(OSError, match="assign"):
        companion("192.0.2.1:9091", tmp_path).bind(patience=math.inf)


def test_addresses_of_ip_6_are_taken(tmp_path: Path) -> None:
    """With their brackets, as everywhere."""
    ours = companion("[::1]:0", tmp_path)
    ours.bind()
    ours.release()


def test_any_address_of_ip_6_is_any_of_ip_4_too(tmp_path: Path) -> None:
    """As at BIND: whichever of its addresses a pod is probed at."""
    ours = companion("[::]:0", tmp_path)
    ours.bind()
    assert ours._socket is not None
    socket.create_connection(("127.0.0.1", ours._socket.getsockname()[1]), timeout=30).close()
    ours.release()


def test_workers_let_go_of_the_address(tmp_path: Path) -> None:
    """They inherit it, and would hold it when their master has ended."""
    ours = companion("127.0.0.1:0", tmp_path)
    ours.bind()
    assert ours._socket is not None
    address = ours._socket.getsockname()
    ours.release()
    socket.create_server(address).close()


def test_what_keeps_the_listener_from_starting_is_told_once(tmp_path: Path) -> None:
    """The master comes by every second."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        clock = Clock()
        ours = companion(f"127.0.0.1:{other.getsockname()[1]}", tmp_path, clock)
        ours.keep()
        clock.now += 1
        ours.keep()
    told = [call.args for call in ours._server.log.error.call_args_list]
    assert told == [("listener not started",)]


def test_what_keeps_it_from_starting_once_more_is_told_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be started in between."""
    clock = Clock()
    ours = companion("127.0.0.1:0", tmp_path, clock)
    for program in ("/nowhere/python", shutil.which("false"), "/nowhere/python"):
        monkeypatch.setattr(sys, "executable", program)
        ours.keep()
        if ours._process is not None:
            ours._process.wait(30)
        clock.now += 1
    ours.release()
    told = [call.args[0] for call in ours._server.log.error.call_args_list]
    assert told == ["listener not started", "listener ended", "listener not started"]


def test_a_listener_that_ends_at_once_is_started_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master comes by whenever a child has ended: it would do nothing else, and fill the log."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    clock = Clock()
    ours = companion("127.0.0.1:0", tmp_path, clock)
    started = []
    for seconds in (0.0, 0.1, 0.9, 1.0, 1.5):
        clock.now = 1000 + seconds
        ours.keep()
        if ours._process is not None:
            ours._process.wait(30)
            started.append(seconds)
    ours.release()
    assert started == [0.0, 1.0]
    assert [call.args for call in ours._server.log.error.call_args_list] == [("listener ended",)] * 2


def test_a_listener_that_has_just_ended_is_started_for_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no next second in which it would be: probes would wait for nobody until the workers have ended."""
    ours = companion("127.0.0.1:0", tmp_path, Clock())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", shutil.which("false"))
        ours.keep()
    assert ours._process is not None
    ended = ours._process
    ended.wait(30)
    ours._drain(Mock())
    assert ours._process is not None
    with ours._process as listener:
        ours.end()
        ours.release()
    assert listener is not ended


def test_a_listener_that_is_not_there_yet_is_told_to_drain(tmp_path: Path) -> None:
    """The master has just started, and stops: whoever asks is told so, by a listener that hears of it at once."""
    ours, handled = companion("127.0.0.1:0", tmp_path), Mock()
    ours.bind()
    ours._drain(handled)
    handled.assert_called_once()
    assert ours._process is not None
    assert ours._socket is not None
    with ours._process as listener:
        try:
            listener.send_signal(signal.SIGINT)
            # For the master alone, and told to all.
            for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
                listener.send_signal(number)
            with socket.create_connection(ours._socket.getsockname(), timeout=30) as probe:
                probe.sendall(b"GET /health/ready HTTP/1.0\r\n\r\n")
                assert b'"draining"' in probe.makefile("rb").read()
        finally:
            ours.end()
            ours.release()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {*Arbiter.SIGNALS}
