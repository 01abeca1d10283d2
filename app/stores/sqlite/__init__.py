"""The store of one machine: a SQLite file that all its processes share."""

from app.stores import Decision, StoreLostError
from app.stores.sqlite.connections import Connections
from app.stores.sqlite.statements import HIT
from app.stores.sqlite.sweeping import Sweep
from app.stores.window import SECOND, WIDTH, decide

_PROBE = "(probe)"


class SqliteStore:
    """Windows in a SQLite file (WAL) at `path`, which is made, 0600, by the first hit.

    The limit is exact over all processes of the machine, and windows outlive them. Constructing a store touches
    nothing; connections are made after a fork, by whoever needs one. A file that is deleted, or replaced
    together with its `-wal` and `-shm`, is noticed by the next hit. Not for network file systems, where SQLite's
    locks do not hold.
    """

    def __init__(self, path: str) -> None:
        self._connections = Connections(path)
        self._sweep = Sweep()
        self._trouble: StoreLostError | None = None

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As `Store.hit`; stamps are exact to a millisecond."""
        self._raise_trouble()
        length = window * SECOND
        record = {"key": key, "window": length, "length": limit * WIDTH}
        with self._connections.lend() as connection:
            # SQLite commits when the statement has given its last row, so all are fetched.
            ((admitted, now, stamps),) = connection.execute(HIT, record).fetchall()
        if self._sweep.is_due():
            self._sweep_on()
        return decide(admitted=bool(admitted), now=now, stamps=stamps, limit=limit, window=length)

    def probe(self) -> None:
        """As `Store.probe`: a real hit, because only a write meets a full disk or a held file."""
        self.hit(_PROBE, 1, 1)

    def close(self) -> None:
        """As `Store.close`."""
        self._connections.close()

    def _sweep_on(self) -> None:
        # The hit is decided and stays so. What went wrong is no less a trouble of the file: the next hit,
        # which would likely meet it itself, reports it.
        try:
            with self._connections.lend() as connection:
                self._sweep.step(connection)
        except StoreLostError as error:
            self._trouble = error

    def _raise_trouble(self) -> None:
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
