"""Callers who go on and on while something happens to the service."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.system.faults.keys import OVER
from tests.system.faults.stage import Attempt, Message, Stage

Call = Callable[[], Sequence[Attempt]]


@contextmanager
def under_load(*calls: Call) -> Iterator[list[Attempt]]:
    """Each call is made again and again in a thread of its own; the list has all attempts after the block."""
    over, attempts = threading.Event(), list[Attempt]()

    def go_on(call: Call) -> None:
        while not over.is_set():
            attempts.extend(call())

    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(go_on, call) for call in calls]
        try:
            yield attempts
        finally:
            over.set()
    for thread in running:
        thread.result()


def once(stage: Stage, port: int) -> Call:
    """A new message without a key."""
    return lambda: [stage.send(port, stage.message())]


def repeated(
    stage: Stage, port: int, message: Message | None = None, *, times: int = 4, pause: float = 0.2
) -> Call:
    """A message (a new one each time, unless given) under its key, repeated until its end is known."""

    def call() -> list[Attempt]:
        mine, attempts = message or stage.message(), list[Attempt]()
        while len(attempts) < times:
            attempts.append(stage.send(port, mine, keyed=True))
            if attempts[-1].code in OVER:
                break
            threading.Event().wait(pause)
        return attempts

    return call


def in_doubt(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The last attempt of each message whose end its caller does not know."""
    last = {attempt.message.number: attempt for attempt in attempts}
    return [attempt for attempt in last.values() if attempt.code not in OVER]
