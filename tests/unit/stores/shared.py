"""A shared store that a test can lose, and the threads that look for it."""

import threading

from app.errors import Outcome
from app.stores import Claim, Decision, StoreLostError, UnreadableRecordError
from app.stores.memory import MemoryStore

SOON = 0.02
NEVER = 3600.0


class Shared(MemoryStore):
    """A shared store that is lost when the test says so, and counts who asks it."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False
        # Whether a claim that fails has been stored all the same.
        self.loses_answers = False
        # Keys whose records cannot be read.
        self.unreadable: set[str] = set()
        # What a settlement waits for before it fails.
        self.failing = threading.Event()
        self.failing.set()
        self.settling = 0
        # What `probe` raises, if anything.
        self.fault: BaseException | None = None
        self.closed = 0
        self.asked = 0
        self.probed = 0
        self.all_here = threading.Barrier(1)

    def hit(self, key: str, limit: int, window: int) -> Decision:
        """As the real one, once all that the test waits for are here."""
        self.asked += 1
        self.all_here.wait()
        self._refuse_if_lost()
        return super().hit(key, limit, window)

    def claim(self, key: str, fingerprint: str, owner: str, *, lease: float, again: bool) -> Claim:
        """As the real one."""
        self._refuse_unreadable(key)
        if not self.loses_answers:
            self._refuse_if_lost()
        claim = super().claim(key, fingerprint, owner, lease=lease, again=again)
        self._refuse_if_lost()
        return claim

    def settle(self, key: str, fingerprint: str, owner: str, outcome: Outcome, answer: bytes) -> None:
        """As the real one; one that began while the store was lost fails however late."""
        self._refuse_unreadable(key)
        was_lost = self.lost
        self.settling += 1
        self.failing.wait()
        if was_lost:
            raise StoreLostError("out of reach")
        super().settle(key, fingerprint, owner, outcome, answer)

    def _refuse_unreadable(self, key: str) -> None:
        if key in self.unreadable:
            raise UnreadableRecordError("state")

    def probe(self) -> None:
        """As the real one."""
        self.probed += 1
        if self.fault:
            raise self.fault
        self._refuse_if_lost()

    def close(self) -> None:
        """As the real one."""
        self.closed += 1

    def _refuse_if_lost(self) -> None:
        if self.lost:
            raise StoreLostError("out of reach")


def probers() -> list[threading.Thread]:
    """The threads that ask a lost store in this process."""
    return [thread for thread in threading.enumerate() if thread.name == "store-probe"]
