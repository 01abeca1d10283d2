"""Processes that hit a store together, each as fast as it can and from several threads."""

import multiprocessing
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import NamedTuple

from app.stores import Store, StoreLostError
from tests.unit.stores.opened import open_store

# Its children are forked from a process that has imported this module, and nothing else.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
PATIENCE = 60.0
ROUNDS = 3


class Hit(NamedTuple):
    """One hit, with the moments between which it was decided."""

    before: float
    after: float
    admitted: bool
    remaining: int


@dataclass(frozen=True)
class Hammer:
    """What each process does: `threads` threads hit `key` until `hits` or `seconds` are over."""

    url: str
    key: str
    limit: int
    window: int
    hits: int
    seconds: float
    threads: int

    def processes(self, count: int) -> list[Hit]:
        """The hits of `count` real processes that began together.

        A busy machine may keep the store from one of them for longer than a call may take: then all begin again,
        with another key.
        """
        for number in range(ROUNDS):
            hits = replace(self, key=f"{self.key}{'-again' * number}")._round(count)
            if hits is not None:
                return hits
        raise AssertionError(f"The store was lost in each of {ROUNDS} rounds.")

    def _round(self, count: int) -> list[Hit] | None:
        """The hits, or None if one of them was not decided."""
        start = CONTEXT.Barrier(count)
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(count)]
        running = [CONTEXT.Process(target=_answer, args=(self, start, sender)) for _, sender in pipes]
        for process in running:
            process.start()
        try:
            assert all(receiver.poll(PATIENCE) for receiver, _ in pipes)
            found = [receiver.recv() for receiver, _ in pipes]
            return None if None in found else [hit for hits in found for hit in hits]
        finally:
            for process, ends in zip(running, pipes, strict=True):
                process.kill()
                process.join()
                process.close()
                for end in ends:
                    end.close()

    def run(self) -> list[Hit] | None:
        """The hits of this process, or None if one of them was not decided."""
        store = open_store(self.url)
        done: list[Hit] = []
        lost = threading.Event()
        threads = [threading.Thread(target=self._thread, args=(store, done, lost)) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.close()
        return None if lost.is_set() else done

    def _thread(self, store: Store, done: list[Hit], lost: threading.Event) -> None:
        ends = time.time() + self.seconds
        for _ in range(self.hits // self.threads):
            before = time.time()
            if before > ends:
                return
            try:
                decision = store.hit(self.key, self.limit, self.window)
            except StoreLostError:
                lost.set()
                return
            done.append(Hit(before, time.time(), decision.admitted, decision.remaining))


def _answer(hammer: Hammer, start: Barrier, sender: "Connection[list[Hit] | None, None]") -> None:
    start.wait()
    sender.send(hammer.run())
