"""Who is told of bytes, and how often."""

import errno
import select
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from types import SimpleNamespace
from typing import NoReturn

import pytest

from config.serving.poller import Elsewhere, Poller

MAKERS: list[Callable[[], "select.epoll | Elsewhere"]] = [Elsewhere]
if hasattr(select, "epoll"):
    MAKERS.append(select.epoll)


class Ends:
    """A connection that waits, what it was told, and its client."""

    def __init__(self, make: Callable[[], "select.epoll | Elsewhere"]) -> None:
        self.told: list[SimpleNamespace] = []
        self.events = make()
        self.poller = Poller(self.told.append, self.events)
        sock, self.client = socket.socketpair()
        self.conn = SimpleNamespace(sock=sock)

    def close(self) -> None:
        self.poller.close()
        self.conn.sock.close()
        self.client.close()


class Full(Elsewhere):
    """A system that watches no more connections, as epoll_ctl(2) has it."""

    def modify(self, *_: int) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "not watched")

    def register(self, *_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "no more watches")


@pytest.fixture(params=MAKERS)
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """With all that a system may have."""
    ends = Ends(request.param)
    yield ends
    ends.close()


def test_bytes_that_are_left_wake_nobody(ends: Ends) -> None:
    """A thread is reading them: until the connection waits again the loop is to sleep, not to turn."""
    ends.poller.wait(ends.conn)
    ends.client.send(b"a")
    ends.poller.dispatch(5)
    assert ends.events.poll(0) == []


def test_a_connection_is_told_of_once(ends: Ends) -> None:
    """What comes while it does not wait is told when it waits again."""
    ends.poller.wait(ends.conn)
    ends.client.send(b"a")
    ends.poller.dispatch(5)
    ends.client.send(b"b")
    ends.poller.dispatch(0)
    assert (ends.told, len(ends.poller)) == ([ends.conn], 0)
    ends.poller.wait(ends.conn)
    ends.poller.dispatch(5)
    assert ends.told == [ends.conn, ends.conn]


def test_another_thread_can_let_it_wait(ends: Ends) -> None:
    """The loop, which waits itself, hears of it."""
    loop = Thread(target=ends.poller.dispatch, args=(60,))
    loop.start()
    ends.client.send(b"a")
    ends.poller.wait(ends.conn)
    loop.join()
    assert ends.told == [ends.conn]


def test_one_that_cannot_be_watched_misses_its_deadline_alone() -> None:
    """It waits, so that it is cut off in time; the loop, whose error it would be, goes on for the others."""
    ends = Ends(Full)
    ends.poller.wait(ends.conn)
    assert ends.poller.waiting() == [ends.conn]
    ends.close()


def test_one_that_was_taken_is_told_of_no_more(ends: Ends) -> None:
    """Also where its number has gone to another connection."""
    ends.poller.wait(ends.conn)
    assert ends.poller.waiting() == [ends.conn]
    ends.poller.take(ends.conn)
    ends.client.send(b"a")
    ends.poller.dispatch(0)
    assert ends.told == []
    number = ends.conn.sock.fileno()
    ends.conn.sock.close()
    ends.conn.sock, client = socket.socketpair()
    with client:
        assert ends.conn.sock.fileno() == number
        ends.poller.wait(ends.conn)
        ends.poller.dispatch(0)
        assert ends.told == []
        client.send(b"b")
        ends.poller.dispatch(5)
        assert ends.told == [ends.conn]


def test_a_source_is_told_of_until_it_is_unregistered(ends: Ends) -> None:
    """Whether it is given as a file or by its number."""
    calls: list[object] = []
    for source in (ends.conn.sock, ends.conn.sock.fileno()):
        ends.poller.register(source, 1, calls.append)
        ends.client.send(b"a")
        ends.poller.dispatch(5)
        ends.poller.dispatch(5)
        ends.poller.unregister(source)
        ends.poller.dispatch(0)
        assert calls == [source, source]
        calls.clear()
