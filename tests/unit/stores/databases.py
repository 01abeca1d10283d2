"""Files of the store as others see them."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held(path: Path, how: str) -> Iterator[None]:
    """Another process is in the middle of a transaction."""
    with holding(HOLD, str(path), how):
        yield


@contextmanager
def holding(script: str, *given: str) -> Iterator[None]:
    """Another process runs the script, which says `held` and waits."""
    command = [sys.executable, "-c", script, *given]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.kill()


def rows(path: Path) -> int:
    """How many windows are kept."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM windows").fetchone()[0])
