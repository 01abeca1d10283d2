"""The store of one machine: a SQLite file that all its processes share."""

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError
from app.stores.keys import judge, lifetime
from app.stores.sqlite.connections import Connections
from app.stores.sqlite.statements import CLAIM, HIT, RELEASE, SETTLE
from app.stores.sqlite.sweeping import Sweep
from app.stores.window import SECOND, WIDTH, decide

_PROBE = "(probe)"


class SqliteStore:
    """Windows and keys in a SQLite file (WAL) at `path`, which is made, 0600, by the first hit.

    The limit is exact over all processes of the machine, and windows outlive them; keys outlive a power cut as
    well. Constructing a store touches nothing; connections are made after a fork, by whoever needs one. A file
    that is deleted, or replaced together with its `-wal` and `-shm`, is noticed by the next hit. Not for network
    file systems, where SQLite's locks do not hold.
    """

    def __init__(self, path: str) -> None:
        self._connections = Connections(path, synchronous="NORMAL")
        # A claim that a power cut took back would be sent a second time.
        self._durable = Connections(path, synchronous="FULL")
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

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As `Store.claim`; one statement."""
        lapses, kept = lifetime(lease)
        record = {
            "key": key,
            "fingerprint": fingerprint,
            "owner": owner,
            "lease": lapses,
            "kept": kept,
            "again": again,
        }
        with self._durable.lend() as connection:
            ((mine, same, state, lapsed, answer),) = connection.execute(CLAIM, record).fetchall()
        return judge(mine=bool(mine), same=bool(same), state=state, lapsed=bool(lapsed), answer=answer)

    def settle(self, key: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As `Store.settle`; one statement."""
        record = {"key": key, "owner": owner, "outcome": outcome, "answer": answer}
        # A settlement that a power cut takes back leaves the claim, which lapses into unknown.
        with self._connections.lend() as connection:
            connection.execute(RELEASE if outcome == "not_sent" else SETTLE, record)

    def probe(self) -> None:
        """As `Store.probe`: a real hit, because only a write meets a full disk or a held file."""
        self.hit(_PROBE, 1, 1)

    def close(self) -> None:
        """As `Store.close`."""
        self._connections.close()
        self._durable.close()

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
