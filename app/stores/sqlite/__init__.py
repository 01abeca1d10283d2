"""The store of one machine: a SQLite file that all its processes share."""

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
from app.stores.records import SECOND, WIDTH, decide, judge, lifetime
from app.stores.sqlite.log import Log
from app.stores.sqlite.statements import (
    BEGINNING,
    CLAIM,
    CLAIM_NOTE,
    HIT,
    HIT_NOTE,
    LOOK,
    RELEASE,
    SETTLE,
    START,
    SWEEP,
)
from app.stores.sqlite.turns import BUSY_SECONDS, Turns, losing

# A process looks at more rows than it can add meanwhile, so the room of those that ended is soon used again.
SWEEP_EVERY = 64
SWEEP_ROWS = 200


class SqliteStore:
    """Windows and keys in a SQLite file (WAL) at `path`, which is made, 0600, by the first call.

    The limit is exact over all processes of the machine, and windows and keys outlive them. Constructing a store
    touches nothing; connections are made after a fork, by whoever needs one. The file may be deleted or replaced
    only while no process uses it. Not for network file systems, where SQLite's locks do not hold. A process that
    has used it must not fork others that use it: they inherit SQLite's notes of which locks it has.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would look at the disk
        self._making = PerProcess(threading.Lock)
        self._log = Log(self._path)
        self._turns = PerProcess(Turns)
        # Whatever traces SQL puts an object of its own around a connection, which only its own method closes.
        self._connections = Pool(self._open, methodcaller("close"))
        self._hits = itertools.count(1)
        self._swept = dict(START)

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`; stamps are exact to a millisecond."""
        length = window * SECOND
        record = {"key": key, "window": length, "length": limit * WIDTH}
        tidies = next(self._hits) % SWEEP_EVERY == 0
        if tidies:
            self._shorten()
        with losing, self._turns.get(), self._connections.lend() as connection:
            if tidies:
                self._sweep(connection)
            connection.execute(HIT, record)
            ((admitted, now, stamps),) = connection.execute(HIT_NOTE).fetchall()
        return decide(admitted=bool(admitted), now=now, stamps=stamps, limit=limit, window=length)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; one statement."""
        lapses, kept = lifetime(lease)
        record = {"key": key, "fingerprint": fingerprint, "owner": owner, "again": again}
        with losing, self._turns.get(), self._connections.lend() as connection:
            connection.execute(CLAIM, {**record, "lease": lapses, "kept": kept})
            (claim,) = connection.execute(CLAIM_NOTE, record).fetchall()
        return judge(*claim)

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`; one statement."""
        record = {"key": key, "owner": owner, "outcome": outcome, "answer": answer}
        with losing, self._turns.get(), self._connections.lend() as connection:
            connection.execute(RELEASE if outcome == "not_sent" else SETTLE, record)

    def probe(self) -> None:
        """As `Store.probe`: a real hit, because only a write meets a full disk or a held file."""
        self.hit("(probe)", 1, 1)

    def close(self) -> None:
        """As `Store.close`."""
        self._connections.close()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Walk on through the tables, from wherever this process is in them, and delete what has ended."""
        for table, after in self._swept.items():
            ((last,),) = connection.execute(LOOK[table], (after, SWEEP_ROWS)).fetchall()
            if last is not None:
                connection.execute(SWEEP[table], (after, last))
            self._swept[table] = START[table] if last is None else last

    def _shorten(self) -> None:
        with losing:
            if self._log.is_long():
                with self._connections.lend() as connection:
                    self._log.shorten(connection)

    def _open(self) -> sqlite3.Connection:
        self._make_file()
        # SQLite itself would make a missing file readable to everybody.
        name = f"{self._path.as_uri()}?mode=rw"
        connection = sqlite3.connect(
            name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )
        try:
            _write_ahead(connection)
            # In WAL mode this survives the death of any process, not a power cut: docs/adr/0003-idempotency.md.
            connection.execute("PRAGMA synchronous = NORMAL")
            # `Log` does it. SQLite would with every commit, beyond 4 MB, as long as others write as well.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.executescript(BEGINNING)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_file(self) -> None:
        # Path.mkdir(parents=True) gives its mode to the last folder alone.
        for folder in reversed(self._path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        # No thread may have locks on it before this descriptor is closed, as above. SQLite gives `-wal` and
        # `-shm` the mode of the file.
        with self._making.get(), suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put a new file in WAL mode, where SQLite gives up at once if another process is about to do the same."""
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",) and time.monotonic() < until:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
