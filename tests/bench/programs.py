"""Processes on a core of their own, and what Linux counts of them (proc(5))."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.system.processes import PATIENCE, children

_TICKS = os.sysconf("SC_CLK_TCK")
# A core is quiet that has been busy for no more than this share of so many seconds: two ticks.
_QUIET, _LOOK = 0.08, 0.25


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in bytes: what is in memory, and its share of what it has with others."""

    resident: int
    proportional: int


class Program:
    """A command in a session of its own, on these cores; its output goes to a file, which it may make long."""

    def __init__(
        self, command: Sequence[str], output: Path, *, cores: str, environ: Mapping[str, str], folder: Path
    ) -> None:
        output.parent.mkdir(parents=True, exist_ok=True)
        self._output = output
        self.started = time.monotonic()
        with output.open("wb") as stream:
            self._process = subprocess.Popen(
                ["/usr/bin/taskset", "--cpu-list", cores, *command],
                env=dict(environ),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """The end of what it wrote."""
        return self._output.read_text(encoding="utf-8", errors="replace")[-3000:]

    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def pids(self) -> list[int]:
        """Its process and all that came from it."""
        return list(_family(self._process.pid))

    def workers(self) -> list[int]:
        """The processes without children, which do the work; helpers of a master among them."""
        return [pid for pid in self.pids() if not children(pid)]

    def cpu(self) -> float:
        """Seconds of CPU, user and system, of its whole family."""
        return sum(_cpu(pid) for pid in self.pids())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def core_busy(core: str) -> float:
    """Seconds that this core has been busy for anybody, or was taken from this machine."""
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    (found,) = (row[1:9] for row in rows if row[0] == f"cpu{core}")
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, found)
    return (user + nice + system + irq + softirq + steal) / _TICKS


def await_quiet(core: str) -> None:
    """Return when this core has little to do, or else after PATIENCE seconds."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        before = core_busy(core)
        time.sleep(_LOOK)
        if core_busy(core) - before <= _QUIET * _LOOK:
            return


def run_to_end(command: Sequence[str], *, cores: str, environ: Mapping[str, str], folder: Path) -> str:
    """What the command writes to standard output."""
    full = ["taskset", "--cpu-list", cores, *command]
    done = subprocess.run(
        full, env=dict(environ), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return done.stdout.decode()


def memory(pid: int) -> Memory:
    """What the process takes now."""
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    sizes = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}
    return Memory(sizes["Rss"], sizes["Pss"])


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in children(pid):
        yield from _family(child)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
