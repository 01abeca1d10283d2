"""What Linux tells of processes that are not ours to wait for (proc(5)), and ports that stay ours."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

PATIENCE = 30.0

_ESTABLISHED, _LISTENING = "01", "0A"


def await_until(condition: Callable[[], object], what: Callable[[], str], seconds: float = PATIENCE) -> None:
    """Return when `condition` holds; fail with what `what` says when it does not within `seconds`.

    For what no event tells of: the state of other processes and what they write into their logs.
    """
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, what()
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes that this one has started and not yet reaped, oldest first."""
    try:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return sorted(found)


def end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM; SIGKILL after PATIENCE."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def command_line(pid: int) -> list[str]:
    """What it was started with; nothing of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def resident(pid: int) -> int:
    """What it has in memory, in KB (proc_pid_status(5))."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS:"))


def is_running(pid: int) -> bool:
    """Whether the process exists and is not only waiting to be reaped."""
    return _state(pid) not in {"", "Z", "X"}


def is_held_up(pid: int) -> bool:
    """Whether it can do nothing now, as until a child that it starts has become another program (vfork(2))."""
    return _state(pid) == "D"


@contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Let these processes stand still; they have done so when the block begins."""
    standing = tuple(pids)
    try:
        for pid in standing:
            os.kill(pid, signal.SIGSTOP)
        await_until(lambda: all(_state(pid) == "T" for pid in standing), lambda: f"{standing} do not stop")
        yield
    finally:
        for pid in standing:
            os.kill(pid, signal.SIGCONT)


def accepts(pid: int, port: int) -> bool:
    """Whether the process waits with epoll for connections to this loopback port (proc_pid_fdinfo(5))."""
    listeners = _listeners(port)
    folder = Path(f"/proc/{pid}")
    try:
        polls = [fd.name for fd in (folder / "fd").iterdir() if str(fd.readlink()) == "anon_inode:[eventpoll]"]
        lines = [line for fd in polls for line in (folder / "fdinfo" / fd).read_text().splitlines()]
        waited_for = [line.split()[1] for line in lines if line.startswith("tfd:")]
        return any(str((folder / "fd" / fd).readlink()) in listeners for fd in waited_for)
    except (FileNotFoundError, ProcessLookupError):
        return False


def established(port: int) -> set[int]:
    """The other ends' ports of the connections to this loopback port that nobody has begun to close."""
    rows = [row for row in _sockets(port) if row[3] == _ESTABLISHED]
    return {int(row[2].rpartition(":")[2], 16) for row in rows}


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name before it is in parentheses and may hold anything.
    return stat.rpartition(")")[2].split()[0]


def _listeners(port: int) -> set[str]:
    return {f"socket:[{row[9]}]" for row in _sockets(port) if row[3] == _LISTENING}


def _sockets(port: int) -> list[list[str]]:
    """What the system tells of each socket at this port: place, local address, remote address, state and so on."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[1].endswith(f":{port:04X}")]


class ReservedPort:
    """A port on loopback that nobody gets by chance, only a server that names it, also again and again.

    The socket that holds it never listens: Linux lets a second one with SO_REUSEADDR, which servers set, bind
    and listen there (socket(7)), and gives it to no client.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def refuses(self) -> bool:
        """Whether nobody listens."""
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.number)) != 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
