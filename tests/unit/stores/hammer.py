"""A process that hits a store as fast as it can, from several threads; run as a program by `Hammer`.

It says `ready`, waits for a line, and prints each hit as [before, after, admitted, remaining].
"""

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.stores import Store
from app.stores.opening import open_store
from tests.unit.stores.servers import wait_for, works

ROOT = Path(__file__).parents[3]


class Hit(NamedTuple):
    """One hit, with the moments between which it was decided."""

    before: float
    after: float
    admitted: bool
    remaining: int


@dataclass(frozen=True)
class Hammer:
    """What each process does: `threads` threads hit `key` until `hits` or `seconds` are over.

    A warm one first waits until the store works.
    """

    url: str
    key: str
    limit: int
    window: int
    hits: int
    seconds: float
    threads: int
    warm: bool = False

    def processes(self, count: int) -> list[Hit]:
        """The hits of `count` real processes that began together."""
        command = [sys.executable, "-m", "tests.unit.stores.hammer", json.dumps(vars(self))]
        running = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        try:
            return _collect(running)
        finally:
            for process in running:
                process.kill()
                process.communicate()

    def run(self) -> list[Hit]:
        """The hits of this process."""
        store = open_store(self.url)
        if self.warm:
            wait_for(lambda: works(store))
        done: list[Hit] = []
        threads = [threading.Thread(target=self._thread, args=(store, done)) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.close()
        return done

    def _thread(self, store: Store, done: list[Hit]) -> None:
        ends = time.time() + self.seconds
        for _ in range(self.hits // self.threads):
            before = time.time()
            if before > ends:
                return
            decision = store.hit(self.key, self.limit, self.window)
            done.append(Hit(before, time.time(), decision.admitted, decision.remaining))


def _collect(running: list[subprocess.Popen[str]]) -> list[Hit]:
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in running]
    return [Hit(*hit) for output in outputs for hit in json.loads(output)]


if __name__ == "__main__":
    hammer = Hammer(**json.loads(sys.argv[1]))
    print("ready", flush=True)  # noqa: T201 - this is how it speaks
    sys.stdin.readline()
    print(json.dumps(hammer.run()))  # noqa: T201 - as above
