"""Threads that are begun when they are needed."""

from queue import SimpleQueue
from threading import Barrier, Event, Thread, current_thread
from typing import NoReturn
from unittest.mock import Mock
from weakref import ref

import pytest

from config.serving.thread_pool import ThreadPool
from tests.system.processes import await_until


def fails() -> NoReturn:
    """What is called where a job raises, with no better luck."""
    raise MemoryError


def test_jobs_are_done_in_order() -> None:
    """By no more threads than are allowed, and all of them before these end."""
    names: list[str] = []
    done: list[int] = []

    def do(number: int) -> None:
        names.append(current_thread().name)
        done.append(number)

    pool = ThreadPool(1, do, fails)
    for number in range(100):
        pool.submit(number)
    pool.shutdown(wait=True)
    assert done == list(range(100))
    assert len(set(names)) == 1


def test_a_thread_that_is_free_gets_the_next_job() -> None:
    """No further one is begun for it."""
    names = SimpleQueue[str]()
    pool = ThreadPool[str](3, lambda _: names.put(current_thread().name), fails)
    for _ in range(3):
        pool.submit("job")
        assert names.get(timeout=60) == "worker-0"
        await_until(lambda: pool._open == 0, lambda: "it is not free")
    pool.shutdown(wait=True)


def test_a_job_that_is_done_is_kept_by_nobody() -> None:
    """It may hold all of a request, and its thread wait long for the next one."""

    class Job:
        pass

    job = Job()
    left = ref(job)
    pool = ThreadPool[Job](2, lambda _: None, fails)
    pool.submit(job)
    del job
    await_until(lambda: pool._open == 0, lambda: "it is not done")
    assert left() is None
    pool.shutdown(wait=True)


def test_as_many_as_were_allowed_work_at_once() -> None:
    """Each job waits for the others here."""
    barrier, done = Barrier(4), SimpleQueue[int]()

    def do(number: int) -> None:
        barrier.wait(timeout=60)
        done.put(number)

    pool = ThreadPool(4, do, fails)
    for number in range(40):
        pool.submit(number)
    pool.shutdown(wait=True)
    assert sorted(done.get_nowait() for _ in range(40)) == list(range(40))


def test_a_thread_that_could_not_be_had_is_begun_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it should have done is done by another one, and the next job that finds nobody free gets one."""
    done, gate = SimpleQueue[str](), Event()

    def do(job: str) -> None:
        if job == "waits":
            gate.wait(timeout=60)
        done.put(job)

    pool = ThreadPool(3, do, fails)
    pool.submit("waits")
    with monkeypatch.context() as none:
        none.setattr(Thread, "start", Mock(side_effect=RuntimeError))
        pool.submit("behind")
    gate.set()
    assert [done.get(timeout=60) for _ in range(2)] == ["waits", "behind"]
    gate.clear()
    pool.submit("waits")
    pool.submit("beside")
    assert done.get(timeout=60) == "beside"
    gate.set()
    pool.shutdown(wait=True)


@pytest.mark.parametrize("error", [MemoryError, SystemExit])
def test_a_job_that_raises_costs_no_thread(error: type[BaseException]) -> None:
    """Without one, all later jobs would wait for ever; `fail` says that it happened."""
    done, failures = SimpleQueue[int](), SimpleQueue[str]()

    def do(number: int) -> None:
        if number:
            raise error
        done.put(number)

    pool = ThreadPool(1, do, lambda: failures.put("failed"))
    pool.submit(1)
    pool.submit(0)
    assert done.get(timeout=60) == 0
    assert failures.get(timeout=60) == "failed"
    pool.shutdown(wait=True)


def test_a_failure_that_cannot_be_told_costs_no_thread() -> None:
    """What keeps a job from being done, as a lack of memory, may keep `fail` from saying so."""
    done = SimpleQueue[str]()

    def do(job: str) -> None:
        if job == "fails":
            raise MemoryError
        done.put(job)

    pool = ThreadPool(1, do, fails)
    pool.submit("fails")
    pool.submit("next")
    assert done.get(timeout=10) == "next"
    pool.shutdown(wait=True)


def test_a_job_for_which_there_is_no_thread_at_all_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would do it: the worker ends, and another one is started in its place."""
    monkeypatch.setattr(Thread, "start", Mock(side_effect=RuntimeError))
    with pytest.raises(RuntimeError):
        ThreadPool(1, Mock(), fails).submit("job")
