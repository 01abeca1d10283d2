"""Threads for the worker, without a future for each request."""

import os
from collections import deque
from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

_Job = TypeVar("_Job")


class Pool(Generic[_Job]):
    """At most so many threads, each begun when there is something to do and none is free.

    Only the thread that made it gives it jobs. They are done in order; what one raises must not leave `do`.

    Threads wait on a pipe, a byte for each job: `write` releases the interpreter, so that the thread it wakes
    runs at once. One that is woken from a queue finds the interpreter taken, and sleeps again.
    """

    def __init__(self, most: int, do: Callable[[_Job], object]) -> None:
        self._most = most
        self._do = do
        self._threads: list[Thread] = []
        self._jobs: deque[_Job | None] = deque()
        self._told, self._tell = os.pipe()
        # Jobs that are not done, until all threads have begun.
        self._open = 0
        self._counting = Lock()

    def submit(self, job: _Job) -> None:
        """Have it done."""
        if len(self._threads) < self._most:
            self._find_thread()
        self._put(job)

    def shutdown(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Let the threads end when all jobs are done; the process ends after them."""
        for _ in self._threads:
            self._put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _put(self, job: _Job | None) -> None:
        self._jobs.append(job)
        os.write(self._tell, b".")

    def _find_thread(self) -> None:
        with self._counting:
            self._open += 1
            if self._open <= len(self._threads):
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
        while os.read(self._told, 1) and (job := self._jobs.popleft()) is not None:
            self._do(job)
            # Lest it is kept alive until the next one.
            del job
            if len(self._threads) < self._most:
                with self._counting:
                    self._open -= 1
