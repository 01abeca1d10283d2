"""A server that hangs, dies, cannot be found, refuses or talks nonsense is a lost store, soon."""

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from app.stores import Store, StoreLostError
from app.stores.redis.servers import LOST
from tests.unit.stores.losses import lost, patiently
from tests.unit.stores.opened import open_store
from tests.unit.stores.servers import PATIENCE, Server, tell
from tests.unit.upstream.peers import to_the_end

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def socket_store(own_valkey: Server) -> Iterator[Store]:
    """The same server by its Unix socket."""
    opened = open_store(f"redis+unix://{own_valkey.socket}")
    yield opened
    opened.close()


@pytest.mark.parametrize("by", ["store", "socket_store"])
def test_a_hung_server_is_a_lost_store(by: str, own_valkey: Server, request: pytest.FixtureRequest) -> None:
    """Neither an open connection nor a new one waits long for a server that is stopped; there is no second try."""
    store: Store = request.getfixturevalue(by)
    patiently(store)
    tell(own_valkey, "CONFIG RESETSTAT")
    own_valkey.pause()
    on_an_open_connection = lost(store)
    on_a_new_connection = lost(store)
    own_valkey.resume()
    calls = re.findall(r"cmdstat_evalsha:calls=(\d+)", str(tell(own_valkey, "INFO commandstats")))

    assert [on_an_open_connection, on_a_new_connection] == ["TimeoutError"] * 2
    assert calls in (["1"], ["2"])
    store.probe()
    assert patiently(store) == 29


def test_a_server_that_hangs_before_tls_is_a_lost_store() -> None:
    """The handshake is part of the time of a call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = open_store(f"rediss://user:secret@127.0.0.1:{listener.getsockname()[1]}")
        assert lost(store) == "TimeoutError"
        store.close()


def test_a_name_that_no_thread_can_look_up_is_a_lost_store(
    own_valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where processes have run out of threads, requests go on without the store."""
    store = open_store(f"redis://localhost:{own_valkey.port}")
    with monkeypatch.context() as none:
        none.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError))
        word = lost(store)
    assert word == "ConnectionError"
    assert patiently(store) == 29
    store.close()


@pytest.mark.parametrize(
    "reply",
    [b"$%d\r\n" % 10**30, b"*1\r\n" * 2000, b"?\r\n", b":x\r\n"],
    ids=["length", "depth", "kind", "number"],
)
def test_a_server_that_talks_nonsense_is_a_lost_store(reply: bytes) -> None:
    """Whatever redis-py makes of a reply that is none, a request goes on without the store."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer_once, listener, reply)
        store = open_store(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        assert lost(store)
        store.close()
        answering.result()


def answer_once(listener: socket.socket, reply: bytes) -> None:
    """Send the reply to whatever the first client says, and wait until it goes."""
    client, _ = listener.accept()
    with client:
        client.recv(65536)
        client.sendall(reply)
        to_the_end(client)


def test_a_name_server_that_hangs_is_a_lost_store(own_valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it longer than for the store itself; once it answers, the store is found by its name."""
    answers = threading.Event()
    look_up = socket.getaddrinfo

    def asked(host: str, *rest: Any, **more: Any) -> Any:
        if host != "valkey.test" or more.get("flags"):
            return look_up(host, *rest, **more)
        assert answers.wait(PATIENCE)
        return look_up("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    store = open_store(f"redis://valkey.test:{own_valkey.port}")
    try:
        assert lost(store) == "ConnectionError"
        answers.set()
        assert patiently(store) == 29
    finally:
        answers.set()
        store.close()


def test_hits_wait_for_a_hung_server_side_by_side(store: Store, own_valkey: Server) -> None:
    """20 threads are not made to wait one after the other."""
    own_valkey.pause()
    words: list[str] = []
    threads = [threading.Thread(target=lambda: words.append(lost(store))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_valkey.resume()

    assert words == ["TimeoutError"] * 20


def test_a_killed_server_is_a_lost_store_until_it_is_back(store: Store, own_valkey: Server) -> None:
    """After a restart no dead connection and no forgotten script stands in the way of the first hit."""
    patiently(store)
    own_valkey.kill()
    word = lost(store)
    own_valkey.start()

    assert word == "ConnectionError"
    assert patiently(store) == 29


def test_a_restart_between_two_hits_is_not_noticed(store: Store, own_valkey: Server) -> None:
    """Connections that died while idle are replaced."""
    patiently(store)
    own_valkey.kill()
    own_valkey.start()

    assert patiently(store) == 29


@pytest.mark.parametrize(
    ("command", "word"),
    [
        pytest.param(("CONFIG", "SET", "maxmemory", "1"), "OutOfMemoryError", id="full"),
        pytest.param(("REPLICAOF", "127.0.0.1", "1"), "ReadOnlyError", id="a replica"),
        pytest.param(("CONFIG", "SET", "requirepass", "secret"), "AuthenticationError", id="wants a password"),
        pytest.param(("CONFIG", "SET", "min-replicas-to-write", "1"), "NOREPLICAS", id="lacks a replica"),
    ],
)
def test_a_server_that_refuses_is_a_lost_store(
    store: Store, own_valkey: Server, command: tuple[str, ...], word: str
) -> None:
    """What a server that answers cannot do is the same to a hit as no answer; `probe` sees it too."""
    tell(own_valkey, *command)

    assert lost(store) == word
    with pytest.raises(StoreLostError, match=f"^{word}$"):
        store.probe()


def test_a_claim_that_was_given_up_never_arrives() -> None:
    """What the network has not delivered by then is dropped: it would take a key that was given back meanwhile."""
    fingerprint = "x" * 60_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Room for a small part of the call, as long as nobody reads: the rest waits with the system here.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        store = open_store(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(StoreLostError, match="TimeoutError"):
            store.claim("key", fingerprint, "owner", lease=60, again=False)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            received = to_the_end(sock)

    assert len(received) < len(fingerprint)


def test_every_error_of_the_library_is_known() -> None:
    """Whatever redis-py raises of its own is a lost store, not a 500; a new release may add to its tree."""
    unknown = [
        error.__name__
        for error in vars(redis.exceptions).values()
        if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, LOST)
    ]

    # Of redis-py's own pools, pipelines and clusters, which are not used.
    assert sorted(unknown) == [
        "ChildDeadlockedError",
        "CrossSlotTransactionError",
        "IncorrectPolicyType",
        "InvalidPipelineStack",
        "RedisClusterException",
        "SlotNotCoveredError",
    ]
