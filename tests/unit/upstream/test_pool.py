"""When a connection is used again."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from app.upstream.pool import MAX_AGE_SECONDS, MAX_IDLE_SECONDS, ConnectionPool
from app.upstream.transport import Transport, prepare
from tests.unit.upstream.peers import OK, PATIENCE, Caller, Peer, answering

Serve = Callable[..., Peer]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n"


def get(transport: Transport, peer: Peer) -> int:
    return transport.send(prepare("GET", peer.url, {}), timeout=5).status_code


def test_a_connection_is_used_again(serve: Serve, transport: Transport) -> None:
    """After a complete answer of any framing that keeps the connection."""
    peer = serve(answering(OK, CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n", OK))
    assert [get(transport, peer) for _ in range(4)] == [200, 200, 204, 200]
    assert peer.accepted == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 500 of somebody else\r\nContent-Length: 0\r\n\r\n",
        CHUNKED + b"x",
    ],
    ids=["close", "HTTP/1.0", "an answer too many", "a byte too many"],
)
def test_a_connection_is_not_used_again(serve: Serve, transport: Transport, answer: bytes) -> None:
    """After an answer that ends it, or is followed by what nobody asked for."""
    peer = serve(answering(answer))
    assert [get(transport, peer), get(transport, peer), peer.accepted] == [200, 200, 2]


@pytest.mark.parametrize("status", [b"403 Forbidden", b"503 Unavailable", b"307 Elsewhere"])
def test_a_refused_body_ends_a_connection(serve: Serve, transport: Transport, status: bytes) -> None:
    """Its peer may not have read it, and would take it for the next request. A body of its own is not awaited."""
    refusal = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n"
    closed = threading.Event()

    def script(caller: Caller) -> None:
        caller.answer(refusal)
        caller.wait()
        closed.set()

    peer = serve(script, answering(OK))
    refused = transport.send(prepare("POST", peer.url, {}, b"{}"), timeout=PATIENCE)
    assert refused.status_code == int(status[:3])
    assert closed.wait(PATIENCE)
    assert [get(transport, peer), peer.accepted] == [200, 2]


def test_a_refused_request_without_a_body_keeps_it(serve: Serve, transport: Transport) -> None:
    """Nothing of it can be left: a user without an account does not cost a connection."""
    peer = serve(answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", OK))
    assert [get(transport, peer), get(transport, peer), peer.accepted] == [404, 200, 1]


def test_old_connections_are_dropped(serve: Serve) -> None:
    """After MAX_AGE_SECONDS, however busy: the name may lead elsewhere by now."""
    now = [100.0]
    with closing(Transport(clock=lambda: now[0])) as transport:
        peer = serve(answering(*[OK] * 200))
        for _ in range(int(2 * MAX_AGE_SECONDS / MAX_IDLE_SECONDS)):
            get(transport, peer)
            now[0] += MAX_IDLE_SECONDS
    assert peer.accepted == 2


def test_idle_connections_are_dropped(serve: Serve) -> None:
    """After MAX_IDLE_SECONDS the peer may be about to close it, and the outcome would be unknown."""
    now = [100.0]
    with closing(Transport(clock=lambda: now[0])) as transport:
        peer = serve(answering(OK, OK))
        accepted = []
        for pause in (0.0, MAX_IDLE_SECONDS, MAX_IDLE_SECONDS + 0.01):
            now[0] += pause
            get(transport, peer)
            accepted.append(peer.accepted)
    assert accepted == [1, 1, 2]


def test_a_peer_need_not_wait_for_an_idle_connection(serve: Serve) -> None:
    """It may serve one connection at a time, and see the next when this one ends: no call has to follow."""
    is_free = threading.Lock()

    def script(caller: Caller) -> None:
        with is_free:
            caller.answer()
            caller.wait()

    peer = serve(script)
    with closing(Transport()) as one, closing(Transport()) as other:
        assert [get(transport, peer) for transport in (one, other, one)] == [200, 200, 200]
    assert peer.accepted == 3


def test_connections_end_each_in_its_time(serve: Serve, transport: Transport) -> None:
    """All that are idle end, not only the first, and the transport is used on."""
    asked, is_second_back = threading.Event(), threading.Event()
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def first(caller: Caller) -> None:
        caller.request()
        asked.set()
        is_second_back.wait(PATIENCE)
        caller.send(OK)
        caller.wait()
        ended.put("first")

    def second(caller: Caller) -> None:
        caller.answer()
        caller.wait()
        ended.put("second")

    peer = serve(first, second)
    with ThreadPoolExecutor(1) as executor:
        earlier = executor.submit(get, transport, peer)
        asked.wait(PATIENCE)
        get(transport, peer)
        is_second_back.set()
        earlier.result()
    assert {ended.get(timeout=PATIENCE), ended.get(timeout=PATIENCE)} == {"first", "second"}
    assert [get(transport, peer), peer.accepted] == [200, 3]


@pytest.mark.parametrize("late", [b"", OK], ids=["closed", "bytes that nobody asked for"])
def test_stale_connections_are_dropped(serve: Serve, transport: Transport, late: bytes) -> None:
    """What happened on an idle connection is found before it is used."""
    answered, done = threading.Event(), threading.Event()

    def script(caller: Caller) -> None:
        caller.answer()
        answered.wait(5)
        caller.send(late)
        if not late:
            caller.close()
        done.set()
        if late:
            caller.wait()

    peer = serve(script, answering(OK))
    get(transport, peer)
    answered.set()
    done.wait(5)
    assert [get(transport, peer), peer.accepted] == [200, 2]


def test_the_latest_is_used_first(serve: Serve, transport: Transport) -> None:
    """So that connections beyond what the load needs grow old and go."""
    asked, second_is_back = threading.Event(), threading.Event()

    def first(caller: Caller) -> None:
        caller.request()
        asked.set()
        second_is_back.wait(5)
        caller.send(OK)
        caller.answer(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    peer = serve(first, answering(OK, OK))
    with ThreadPoolExecutor(1) as executor:
        earlier = executor.submit(get, transport, peer)
        asked.wait(5)
        get(transport, peer)
        second_is_back.set()
        earlier.result()
    assert [get(transport, peer), peer.accepted] == [201, 2]


def test_threads_do_not_share_a_connection(serve: Serve, transport: Transport) -> None:
    """Requests at the same time go over as many connections, and all of these are kept."""
    barrier = threading.Barrier(8)

    def script(caller: Caller) -> None:
        for _ in range(2):
            caller.request()
            barrier.wait(5)
            caller.send(OK)

    peer = serve(script)
    with ThreadPoolExecutor(8) as executor:
        for _ in range(2):
            assert list(executor.map(lambda _: get(transport, peer), range(8))) == [200] * 8
    assert peer.accepted == 8


def test_closing_lets_go_and_is_no_end(serve: Serve, transport: Transport) -> None:
    """The transport may be used after close()."""
    peer = serve(answering(OK))
    get(transport, peer)
    transport.close()
    assert [get(transport, peer), peer.accepted] == [200, 2]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the peer's threads are no part of the rule
def test_a_child_process_makes_its_own(serve: Serve, transport: Transport) -> None:
    """After a fork parent and child never write to the same connection, and the parent keeps its own."""
    peer = serve(answering(OK, OK))
    get(transport, peer)
    child = os.fork()
    if not child:
        signal.alarm(5)
        os._exit(get(transport, peer) != 200)
    status = os.waitpid(child, 0)[1]
    accepted_with_child = peer.accepted
    get(transport, peer)
    assert [status, accepted_with_child, peer.accepted] == [0, 2, 2]


def test_a_context_is_made_once() -> None:
    """To read the trust store takes 60 ms of CPU, which in a burst on a new worker every thread would pay."""
    pool = ConnectionPool(time.monotonic)
    with ThreadPoolExecutor(8) as threads:
        contexts = list(threads.map(lambda _: pool.context(), range(8)))
    assert len(set(map(id, contexts))) == 1
