"""What gunicorn's master is mended with, and what that takes for granted of gunicorn."""

import errno
import inspect
import itertools
import queue
import re
import signal
import time
from unittest.mock import Mock

import pytest
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]
from gunicorn.workers.workertmp import WorkerTmp  # type: ignore[import-untyped]

from config.serving.master import STOPS, Killer
from tests.unit.serving.masters import Master, codes, end_of, end_of_new_master


def test_what_keeps_a_worker_from_being_started_is_told_once() -> None:
    """Again when it is something else, or when one could be started meanwhile; the master goes on each time."""
    full, fileless = BlockingIOError(errno.EAGAIN, "no process"), OSError(errno.EMFILE, "no file")
    master = Master(full, full, fileless, 7, fileless)
    assert [master.spawn_worker() for _ in range(5)] == [None, None, None, 7, None]
    told = [call.kwargs["extra"]["exception"] for call in master.log.error.call_args_list]
    assert told == ["BlockingIOError", "OSError", "OSError"]


def test_what_is_no_lack_of_the_systems_is_not_tried_again() -> None:
    """A bug would be met every second, and be taken for a machine that is short of something."""
    master = Master(ZeroDivisionError(), 7)
    with pytest.raises(ZeroDivisionError):
        master.spawn_worker()
    assert master.log.error.call_args_list == []


def test_workers_that_cannot_say_how_they_failed_end() -> None:
    """They would be second masters, which stop the workers of the first."""
    assert codes("raise MemoryError", "raise BrokenPipeError") == [1, 1]


@pytest.mark.parametrize(
    "error",
    [
        "MemoryError",
        "OSError(errno.ENOMEM, 'no memory')",
        "OSError(errno.EMFILE, 'no file')",
        "OSError(errno.ENFILE, 'no file')",
        "OSError(errno.EAGAIN, 'no thread')",
        "ImportError('a.so: failed to map segment from shared object')",
        "ImportError('a.so: cannot allocate memory in static TLS block')",
        "ImportError('a.so: cannot open shared object file: Too many open files')",
        "RuntimeError from MemoryError",
        # While another one is handled.
        "exec('try: raise MemoryError\\nfinally: raise RuntimeError')",
        # One that cannot even be looked at.
        "type('WorseError', (ImportError,), {'__str__': None})()",
    ],
)
def test_a_worker_that_is_short_of_something_stops_no_other(error: str) -> None:
    """For gunicorn's code 3 the master would. It starts the next one at once, so this one ends a second later."""
    worse = "" if "WorseError" in error else "after 1.0\n"
    assert end_of(error) == f"{worse}1\n"


@pytest.mark.parametrize("code", [3, 4])
@pytest.mark.parametrize(
    "error", ["ImportError('No module named a')", "FileNotFoundError(errno.ENOENT, 'no key')"]
)
def test_a_worker_that_cannot_be_loaded_stops_no_other_that_serves(error: str, code: int) -> None:
    """Where there is none the service stops, as nothing but somebody's hand helps."""
    serves, is_not_loaded, leaves = "(2, time.monotonic())", "(3, time.time())", "(1, time.monotonic())"
    assert end_of(error, code, f"[{is_not_loaded}, {leaves}, {serves}]") == "after 1.0\n1\n"
    assert end_of(error, code, f"[{is_not_loaded}, {leaves}]") == f"{code}\n"


def test_a_worker_that_just_ends_does_so_at_once() -> None:
    """It was loaded, and served."""
    assert end_of("MemoryError", 0, "[(2, time.monotonic())]") == "0\n"


def test_signals_are_as_before_once_a_worker_is_started() -> None:
    """Also where it is not; only between are those to stop held back."""
    seen = []

    def spawn() -> int:
        seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        raise OSError

    master = Master()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    master.spawn_worker._spawn = spawn
    master.spawn_worker()
    assert seen[0] >= STOPS
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_stops_come_first() -> None:
    """The quick ones before SIGTERM, which would lose them; all others in their order."""
    given = (signal.SIGHUP, signal.SIGTTIN, signal.SIGTERM, signal.SIGCHLD, signal.SIGINT)
    assert Master(signals=given).wait_for_signals(timeout=1.0) == [
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGTTIN,
        signal.SIGCHLD,
    ]


def test_nobody_is_killed_for_standing_still_with_the_master() -> None:
    """Whoever hangs is, once the master has looked for the whole timeout and was not away itself."""
    now, killed = [0.0], []
    master = Mock(timeout=30, murder_workers=lambda: killed.append(now[0]))
    kill = Killer(master, clock=lambda: now[0])
    for second in (*range(1, 33), *range(100, 132)):
        now[0] = float(second)
        kill()
    assert killed == [30, 31, 32, 130, 131]


def test_a_clock_that_is_set_ends_no_grace_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour forward with each look at it: two workers that end one after the other are not killed."""
    told, hours = [], itertools.count(step=3600.0)
    monkeypatch.setattr(time, "time", lambda: next(hours))
    master = Master()
    master.__dict__.update(
        reexec_pid=0, master_pid=0, dirty_arbiter_pid=0, systemd=True, LISTENERS=[], WORKERS={7: None, 8: None}
    )
    master.cfg = Mock(graceful_timeout=29)
    master.SIG_QUEUE = queue.Queue()
    master.kill_workers = lambda number: told.append((number, dict(master.WORKERS)))
    master.reap_workers = lambda: master.WORKERS and master.WORKERS.popitem()
    master.reap_dirty_arbiter = Mock()
    Arbiter.stop(master)
    assert told == [(signal.SIGTERM, {7: None, 8: None}), (signal.SIGKILL, {})]


def test_the_master_is_as_it_was() -> None:
    """It calls these, so; a worker has its handlers before it is told that it is ready."""
    assert str(inspect.signature(Arbiter.wait_for_signals)) == "(self, timeout=1.0)"
    assert str(inspect.signature(Arbiter.halt)) == "(self, reason=None, exit_status=0)"
    assert str(inspect.signature(Arbiter.spawn_worker)) == "(self)"
    source = inspect.getsource(Arbiter)
    assert source.count("self.spawn_worker()") == 2
    assert "= self.spawn_worker()" not in source
    assert "if exitcode == self.WORKER_BOOT_ERROR" in source
    assert "if exitcode == self.APP_LOAD_ERROR" in source
    assert source.count("self.reexec()") == 1
    assert source.count("self.murder_workers()") == 1
    assert "os.utime(self._tmp.fileno(), (new_time, new_time))" in inspect.getsource(WorkerTmp)
    assert "new_time = time.monotonic()" in inspect.getsource(WorkerTmp)
    order = r"self\.init_signals\(\)(?s:.*)self\.cfg\.post_worker_init\(self\)"
    assert re.search(order, inspect.getsource(Worker.init_process))


def test_a_new_master_that_cannot_be_started_leaves_this_one() -> None:
    """The log has why."""
    master = Master()
    master.reexec()
    assert master.log.error.call_args.kwargs["extra"]["exception"] == "BlockingIOError"


@pytest.mark.parametrize("error", ["OSError(errno.ENOENT, 'no Python')", "MemoryError"])
def test_a_fork_that_cannot_become_a_new_master_ends(error: str) -> None:
    """Whatever it fails by: it would be a second master, which stops the workers of the first."""
    assert end_of_new_master(error) == "1\n"
