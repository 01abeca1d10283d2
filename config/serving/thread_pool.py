"""The worker's thread pool, without a future for each request."""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Generic, TypeVar

_Job = TypeVar("_Job")


class ThreadPool(Generic[_Job]):
    """At most `most` threads: one by `start_thread`, each other when there is a job and none is free.

    Only the thread that created the pool may submit jobs. They start in order. `do` should not raise: if it does,
    `fail` is called, and the thread goes on, whatever becomes of that.

    Threads wait on a pipe, a byte for each job: `write` releases the GIL, so that the thread it wakes runs at
    once. A thread woken by a queue finds the GIL taken, and sleeps again.
    """

    def __init__(self, most: int, do: Callable[[_Job], object], fail: Callable[[], object]) -> None:
        self._most = most
        self._do = do
        self._fail = fail
        self._threads: list[Thread] = []
        self._jobs: deque[_Job | None] = deque()
        self._told, self._tell = os.pipe()
        # Unfinished jobs, counted until all threads have started.
        self._open = 0
        self._counting = Lock()

    def start_thread(self) -> None:
        """Start one more thread; raises RuntimeError if none can start now."""
        thread = Thread(target=self._work, name=f"worker-{len(self._threads)}")
        thread.start()
        self._threads.append(thread)

    def submit(self, job: _Job) -> None:
        """Queue a job; there must be a thread already, or one that can start."""
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
        # If no thread can start now, the existing ones do the job.
        with suppress(RuntimeError):
            self.start_thread()

    def _work(self) -> None:
        while os.read(self._told, 1) and (job := self._jobs.popleft()) is not None:
            try:
                self._do(job)
            except BaseException:  # noqa: BLE001 - whatever it is, a pool without threads would keep all jobs
                # What kept `do` from saying so may keep this one as well.
                with suppress(BaseException):
                    self._fail()
            # Not kept alive until the next one.
            del job
            if len(self._threads) < self._most:
                with self._counting:
                    self._open -= 1
