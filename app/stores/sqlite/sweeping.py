"""Removal of windows and keys that have ended, a little at a time, by those who hit."""

import itertools
import sqlite3

from app.stores.sqlite.connections import is_busy
from app.stores.sqlite.files import BUSY_SECONDS
from app.stores.sqlite.statements import LOOK, SWEEP, TABLES

EVERY = 64
ROWS = 200


class Sweep:
    """Walks through the tables again and again and deletes what has ended.

    A process looks at more rows than it can add meanwhile, so the file stays as small as its live windows
    whatever number of users come. There is no thread to start after a fork and none to stop.
    """

    def __init__(self) -> None:
        self._hits = itertools.count(1)
        self._after = dict.fromkeys(TABLES, 0)

    def is_due(self) -> bool:
        """Count a hit; whether it is one that sweeps."""
        return next(self._hits) % EVERY == 0

    def step(self, connection: sqlite3.Connection) -> None:
        """Look at the next rows; a file that is held right now is left for the next time, without waiting.

        Raises sqlite3.Error when the file is in trouble.
        """
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            for table in TABLES:
                self._sweep(connection, table)
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def _sweep(self, connection: sqlite3.Connection, table: str) -> None:
        after = self._after[table]
        last, ended = connection.execute(LOOK[table], {"after": after, "count": ROWS}).fetchone()
        if ended:
            connection.execute(SWEEP[table], {"after": after, "last": last})
        self._after[table] = last or 0
