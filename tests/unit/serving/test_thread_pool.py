"""Threads that are begun when they are needed."""

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Barrier, Event, Thread, current_thread
from typing import Any, NoReturn
from unittest.mock import Mock
from weakref import ref

import pytest

from config.serving.thread_pool import ThreadPool
from tests.system.processes import await_until

PoolOf = Callable[..., ThreadPool[Any]]


def fails() -> NoReturn:
    """What is called where a job raises, with no better luck."""
    raise MemoryError


@pytest.fixture
def pool_of() -> Iterator[PoolOf]:
    """Make pools, whose threads end with the test however it ends: the process waits for them."""
    pools: list[ThreadPool[Any]] = []

    def make(most: int, do: Callable[[Any], object], fail: Callable[[], object] = fails) -> ThreadPool[Any]:
        pools.append(ThreadPool(most, do, fail))
        return pools[-1]

    yield make
    for pool in pools:
        pool.shutdown()


def test_jobs_are_done_in_order(pool_of: PoolOf) -> None:
    """By no more threads than are allowed, and all of them before these end."""
    names: list[str] = []
    done: list[int] = []

    def do(number: int) -> None:
        names.append(current_thread().name)
        done.append(number)

    pool = pool_of(1, do)
    for number in range(100):
        pool.submit(number)
    pool.shutdown(wait=True)
    assert done == list(range(100))
    assert len(set(names)) == 1


def test_a_thread_that_is_free_gets_the_next_job(pool_of: PoolOf) -> None:
    """No further one is begun for it."""
    names = SimpleQueue[str]()
    pool = pool_of(3, lambda _: names.put(current_thread().name))
    for _ in range(3):
        pool.submit("job")
        assert names.get(timeout=60) == "worker-0"
        await_until(lambda: pool._open == 0, lambda: "it is not free")
    pool.shutdown(wait=True)


def test_a_job_that_is_done_is_kept_by_nobody(pool_of: PoolOf) -> None:
    """It may hold all of a request, and its thread wait long for the next one."""

    class Job:
        pass

    job = Job()
    left = ref(job)
    pool = pool_of(2, lambda _: None)
    pool.submit(job)
    del job
    await_until(lambda: pool._open == 0, lambda: "it is not done")
    assert left() is None
    pool.shutdown(wait=True)


def test_as_many_as_were_allowed_work_at_once(pool_of: PoolOf) -> None:
    """Each job waits for the others here."""
    barrier, done = Barrier(4), SimpleQueue[int]()

    def do(number: int) -> None:
        barrier.wait(timeout=60)
        done.put(number)

    pool = pool_of(4, do)
    for number in range(40):
        pool.submit(number)
    pool.shutdown(wait=True)
    assert sorted(done.get_nowait() for _ in range(40)) == list(range(40))


def test_a_thread_that_could_not_be_had_is_begun_later(monkeypatch: pytest.MonkeyPatch, pool_of: PoolOf) -> None:
    """What it should have done is done by another one, and the next job that finds nobody free gets one."""
    done, gate = SimpleQueue[str](), Event()

    def do(job: str) -> None:
        if job == "waits":
            gate.wait(timeout=60)
        done.put(job)

    pool = pool_of(3, do)
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
def test_a_job_that_raises_costs_no_thread(error: type[BaseException], pool_of: PoolOf) -> None:
    """Without one, all later jobs would wait for ever; `fail` says that it happened."""
    done, failures = SimpleQueue[int](), SimpleQueue[str]()

    def do(number: int) -> None:
        if number:
            raise error
        done.put(number)

    pool = pool_of(1, do, lambda: failures.put("failed"))
    pool.submit(1)
    pool.submit(0)
    assert done.get(timeout=60) == 0
    assert failures.get(timeout=60) == "failed"
    pool.shutdown(wait=True)


@pytest.mark.parametrize("error", [MemoryError, SystemExit])
def test_a_failure_that_cannot_be_told_costs_no_thread(pool_of: PoolOf, error: type[BaseException]) -> None:
    """What keeps a job from being done, as a lack of memory, may keep `fail` from saying so."""
    done = SimpleQueue[str]()

    def do(job: str) -> None:
        if job == "fails":
            raise MemoryError
        done.put(job)

    pool = pool_of(1, do, Mock(side_effect=error))
    pool.submit("fails")
    pool.submit("next")
    assert done.get(timeout=10) == "next"
    pool.shutdown(wait=True)
