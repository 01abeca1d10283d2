"""The store for one machine: a SQLite file that all its processes share."""

import itertools
import os
import sqlite3
import threading
import time
from contextlib import suppress
from operator import methodcaller
from pathlib import Path

from app.errors import Outcome
from app.processes import PerProcess
from app.stores import Claim, Decision
from app.stores.pool import Pool
from app.stores.records import KEPT, SECOND, WIDTH, decide, judge, lifetime
from app.stores.sqlite import statements
from app.stores.sqlite.files import Files
from app.stores.sqlite.log import Log
from app.stores.sqlite.turns import BUSY_SECONDS, Turns, losing

# A sweep visits more rows than its process can add until the next one: the space of expired rows is soon reused.
SWEEP_EVERY = 64
SWEEP_ROWS = 200
# How long after its stamp an admission may have been, in microseconds: SQLite's clock has milliseconds.
RESOLUTION = 1000


class SqliteStore:
    """Windows and keys in a SQLite file (WAL) at `path`, created with mode 0600 by the first call.

    The limit is exact across all processes of the machine, and windows and keys outlive them. Constructing a store
    touches nothing; connections are opened on demand, after a fork. A file that is deleted or replaced while
    processes use it is a lost store to each of them, with its next key or SWEEP_EVERY hits; what the file knew is
    forgotten. Not for network file systems, where SQLite's locks do not hold. A process that has used it
    must not fork others that use it: they inherit SQLite's record of which locks it holds.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would look at the disk
        self._making = PerProcess(threading.Lock)
        self._files = Files(self._path)
        self._log = Log(self._path, self._connect)
        self._turns = PerProcess(Turns)
        # SQL tracers wrap a connection in an object of their own, which only its own `close` closes.
        self._connections = Pool(self._open, methodcaller("close"))
        self._hits = itertools.count(1)
        self._swept = dict(statements.START)

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """Like `Store.hit`; a window is a millisecond longer, as stamps are exact to one."""
        length = window * SECOND + RESOLUTION
        record = {"key": key, "window": length, "length": limit * WIDTH}
        tidies = next(self._hits) % SWEEP_EVERY == 0
        if tidies:
            self._log.keep_short()
        with losing, self._turns.get(), self._connections.lend() as connection:
            if tidies:
                self._files.check()
                self._sweep(connection)
            connection.execute(statements.HIT, record)
            ((admitted, now, stamps),) = connection.execute(statements.HIT_NOTE).fetchall()
        return decide(admitted=bool(admitted), now=now, stamps=stamps, limit=limit, window=length)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """Like `Store.claim`, decided by one statement."""
        lapses, kept = lifetime(lease)
        record = {"key": key, "fingerprint": fingerprint, "owner": owner, "again": again}
        with losing, self._turns.get(), self._connections.lend() as connection:
            # With every key: two processes with a file each would send twice under it.
            self._files.check()
            connection.execute(statements.CLAIM, {**record, "lease": lapses, "kept": kept})
            (claim,) = connection.execute(statements.CLAIM_NOTE, record).fetchall()
        return judge(*claim)

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """Like `Store.settle`, in one statement."""
        record = {"key": key, "fingerprint": fingerprint, "owner": owner, "outcome": outcome, "answer": answer}
        statement = statements.RELEASE if outcome == "not_sent" else statements.SETTLE
        with losing, self._turns.get(), self._connections.lend() as connection:
            self._files.check()
            connection.execute(statement, {**record, "kept": KEPT})

    def probe(self) -> None:
        """Like `Store.probe`: a real hit, because only a write reveals a full disk or a locked file."""
        self.hit("(probe)", 1, 1)

    def close(self) -> None:
        """Like `Store.close`."""
        self._log.close()
        self._connections.close()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Visit the next rows of each table, from where this process left off, and delete the expired ones."""
        for table, after in self._swept.items():
            ((last,),) = connection.execute(statements.LOOK[table], (after, SWEEP_ROWS)).fetchall()
            if last is not None:
                connection.execute(statements.SWEEP[table], (after, last))
            self._swept[table] = statements.START[table] if last is None else last

    def _open(self) -> sqlite3.Connection:
        self._make_file()
        connection = self._connect()
        try:
            _write_ahead(connection)
            # In WAL mode commits survive the death of any process, not a power cut: docs/adr/0003-idempotency.md.
            connection.execute("PRAGMA synchronous = NORMAL")
            # `Log` checkpoints. Beyond 4 MB SQLite would with every commit while other processes write as well.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.executescript(statements.BEGINNING)
            self._files.note()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        # SQLite itself would create a missing file readable by everybody.
        name = f"{self._path.as_uri()}?mode=rw"
        return sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)

    def _make_file(self) -> None:
        # Path.mkdir(parents=True) applies its mode to the last folder only.
        for folder in reversed(self._path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        # No thread may hold locks on the file before this descriptor is closed: closing it drops them (POSIX).
        # SQLite gives `-wal` and `-shm` the mode of the file.
        with self._making.get(), suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put a new file in WAL mode, with retries: SQLite fails at once if another process is doing the same."""
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",) and time.monotonic() < until:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
