"""Threads for the worker, without a future for each request."""

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

_Job = TypeVar("_Job")


class Pool(Generic[_Job]):
    """At most so many threads, each begun when there is something to do and none is free.

    Only the thread that made it gives it jobs. They are done in order; what one raises must not leave `do`.
    """

    def __init__(self, most: int, do: Callable[[_Job], object]) -> None:
        self._most = most
        self._do = do
        self._threads: list[Thread] = []
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # One entry for each thread that has nothing to do, until all have begun.
        self._free: deque[None] = deque()

    def submit(self, job: _Job) -> None:
        """Have it done."""
        if len(self._threads) < self._most:
            self._find_thread()
        self._jobs.put(job)

    def shutdown(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Let the threads end when all jobs are done; the process ends after them."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _find_thread(self) -> None:
        if self._free:
            self._free.pop()
            return
        thread = Thread(target=self._work, name=f"worker-{len(self._threads)}")
        try:
            thread.start()
        except RuntimeError:
            # No thread can be had right now: those that are there do it.
            if not self._threads:
                raise
            return
        self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._do(job)
            # Lest it is kept alive until the next one.
            del job
            if len(self._threads) < self._most:
                self._free.append(None)
