"""The store of one machine: a SQLite file that all its processes share."""

import itertools
import os
import sqlite3
import threading
import time
from contextlib import AbstractContextManager, suppress
from operator import methodcaller
from pathlib import Path

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError
from app.stores.processes import PerProcess, Pool
from app.stores.records import SECOND, WIDTH, decide, judge, lifetime
from app.stores.sqlite.statements import (
    BEGINNING,
    CLAIM,
    CLAIMED,
    DECISION,
    HIT,
    LOOK,
    RELEASE,
    SETTLE,
    START,
    SWEEP,
)

BUSY_SECONDS = 0.2
# How long a thread waits for others of its process, which have to wait for the interpreter as well.
TURN_SECONDS = 1.0
# A process looks at more rows than it can add meanwhile, so the room of those that ended is soon used again.
SWEEP_EVERY = 64
SWEEP_ROWS = 200
# The log of what is written (WAL) is begun anew by who finds it longer than this.
LOG_BYTES = 8_388_608
# To begin it anew lets nobody write until the disk has what came during the last round of writing it down: that is
# for after a quick one, of so many. On a slower disk it may grow.
_QUICK_SECONDS = BUSY_SECONDS / 2
_ROUNDS = 3
_PATIENCE = f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}"


class SqliteStore:
    """Windows and keys in a SQLite file (WAL) at `path`, which is made, 0600, by the first call.

    The limit is exact over all processes of the machine, and windows and keys outlive them. Constructing a store
    touches nothing; connections are made after a fork, by whoever needs one. The file may be deleted or replaced
    only while no process uses it. Not for network file systems, where SQLite's locks do not hold. A process that
    has used it must not fork others that use it: they inherit SQLite's notes of which locks it has.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would look at the disk
        self._log = self._path.with_name(f"{self._path.name}-wal")
        self._making = PerProcess(threading.Lock)
        # One a process, never closed: to close a descriptor is to drop all locks that it has on the file (POSIX).
        self._file = PerProcess(lambda: os.open(self._path, os.O_RDONLY))
        self._turns = PerProcess(_Turns)
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
        with _losing, self._turns.get(), self._connections.lend() as connection:
            if tidies:
                self._sweep(connection)
            connection.execute(HIT, record)
            ((admitted, now, stamps),) = connection.execute(DECISION).fetchall()
        return decide(admitted=bool(admitted), now=now, stamps=stamps, limit=limit, window=length)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; one statement."""
        lapses, kept = lifetime(lease)
        record = {"key": key, "fingerprint": fingerprint, "owner": owner, "again": again}
        with _losing, self._turns.get(), self._connections.lend() as connection:
            connection.execute(CLAIM, {**record, "lease": lapses, "kept": kept})
            (claim,) = connection.execute(CLAIMED, record).fetchall()
        return judge(*claim)

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`; one statement."""
        record = {"key": key, "owner": owner, "outcome": outcome, "answer": answer}
        with _losing, self._turns.get(), self._connections.lend() as connection:
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
        """Begin the log anew if it is too long: by itself SQLite does so only once nobody writes for a while.

        Most of it goes to the disk while others write, and what came meanwhile where that took long. For the rest
        nobody in the way is waited for, be it another process that does the same or somebody who reads for long:
        the next one who looks tries again.
        """
        with _losing:
            if _size(self._log) > LOG_BYTES:
                # Two threads that ask first at once would open it twice.
                with self._making.get():
                    file = self._file.get()
                with self._connections.lend() as connection:
                    _write_down(connection, file)

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
            # `_shorten` does it. SQLite would with every commit, beyond 4 MB, as long as others write as well.
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


class _Turns(AbstractContextManager[None]):
    """One thread of a process at a time; raises TimeoutError.

    Connections that find each other in the way sleep and try again: under load one of some ten thousand tries in
    vain. Who waits here also finds, in the connection of the one before, the pages that it needs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0

    def __enter__(self) -> None:
        before = self._failures
        if not self._lock.acquire(timeout=TURN_SECONDS):
            raise TimeoutError
        if self._failures != before:
            # Who had the turn has waited in vain for the file: that was for everybody who came meanwhile.
            self._lock.release()
            raise TimeoutError

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if _name(error).startswith("SQLITE_BUSY"):
            self._failures += 1
        self._lock.release()


class _Told(AbstractContextManager[None]):
    """Around what is said to SQLite: its errors, and those of opening it, are a lost store."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            raise StoreLostError(_name(error)) from error


_losing = _Told()


def _name(error: BaseException | None) -> str:
    """SQLite's own names, such as SQLITE_BUSY and SQLITE_FULL, say it best."""
    return getattr(error, "sqlite_errorname", type(error).__name__)


def _size(file: Path) -> int:
    """In bytes; 0 where there is none, as before the first connection and after the last."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _write_down(connection: sqlite3.Connection, file: int) -> None:
    """Move what is in the log to where it belongs, on the disk, and begin it anew if that is quick by then."""
    for _ in range(_ROUNDS):
        began = time.monotonic()
        ((busy, logged, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if busy:
            # Another process is at it.
            return
        # SQLite does so only once it has caught up with those who write: the rest would wait for all of it.
        os.fdatasync(file)
        # Nor is all that was written down written down again at once, which SQLite before 3.51.3 may not survive.
        if logged == moved or time.monotonic() - began < _QUICK_SECONDS:
            _begin_anew(connection)
            return


def _begin_anew(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(_PATIENCE)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put a new file in WAL mode, where SQLite gives up at once if another process is about to do the same."""
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",) and time.monotonic() < until:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
