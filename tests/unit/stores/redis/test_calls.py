"""What a store asks of its server, and what it leaves there."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from app.errors import Outcome
from app.stores import KEPT_SECONDS, ClaimState, Store, StoreLostError, UnreadableRecordError
from app.stores.redis import KEY_PREFIX, WINDOW_PREFIX
from tests.environs import ROOT
from tests.unit.stores.losses import patiently
from tests.unit.stores.opened import open_store
from tests.unit.stores.relay import relay
from tests.unit.stores.servers import Server, tell
from tests.unit.upstream.certificates import Authority

pytestmark = pytest.mark.enable_socket

GUIDE = (ROOT / "docs" / "operating" / "stores.md").read_text(encoding="utf-8")


def test_constructing_connects_to_nothing() -> None:
    """A store may be made before its server runs, and before a fork."""
    open_store("redis://127.0.0.1:1")
    open_store("redis+sentinel://127.0.0.1:1/main")
    open_store("redis+cluster://127.0.0.1:1")


def test_a_connection_says_nothing_but_hits(store: Store, own_valkey: Server) -> None:
    """A hit is one round trip; the first of all is one more, because the server does not know the script."""
    tell(own_valkey, "CONFIG RESETSTAT")
    for _ in range(10):
        store.hit("a", 30, 60)
    said = str(tell(own_valkey, "INFO commandstats"))

    assert "cmdstat_evalsha:calls=10," in said
    assert "cmdstat_eval:calls=1," in said
    assert [
        word for word in ("hello", "client", "ping", "script", "command", "auth") if f"cmdstat_{word}" in said
    ] == []


def test_a_refusal_costs_no_connection(store: Store, own_valkey: Server) -> None:
    """Neither a script that the server has forgotten nor a record that cannot be read does."""
    store.hit("a", 30, 60)
    tell(own_valkey, "RPUSH", f"{WINDOW_PREFIX}b", "x")
    tell(own_valkey, "SCRIPT FLUSH")
    tell(own_valkey, "CONFIG RESETSTAT")
    store.hit("a", 30, 60)
    with pytest.raises(UnreadableRecordError):
        store.hit("b", 30, 60)
    store.hit("a", 30, 60)

    # The one that asks.
    assert "total_connections_received:1\\r" in str(tell(own_valkey, "INFO stats"))


def test_tls_is_spoken_and_checked(own_valkey: Server, tmp_path: Path) -> None:
    """A server with a certificate of the named authority decides; without that authority it is a lost store."""
    authority = Authority(tmp_path)
    with relay(authority.context("localhost"), own_valkey.port) as port:
        trusting = open_store(f"rediss://localhost:{port}/1?ssl_ca_certs={quote(authority.bundle, safe='')}")
        wary = open_store(f"rediss://localhost:{port}/1")
        assert patiently(trusting) == 29
        trusting.close()
        with pytest.raises(StoreLostError, match="ConnectionError"):
            patiently(wary)


def test_a_wrong_password_is_told_without_repeating_it(own_valkey: Server) -> None:
    """The word is the name of the error."""
    store = open_store(f"redis://user:hunter2@{own_valkey.address}")
    with pytest.raises(StoreLostError, match=r"^AuthenticationError$"):
        store.hit("a", 30, 60)
    store.close()


def test_a_database_and_a_password_are_used(own_valkey: Server) -> None:
    """The URL's credential and number of the database are those of the connection."""
    tell(own_valkey, "CONFIG", "SET", "requirepass", "a/b@c")
    store = open_store(f"redis://:a%2Fb%40c@{own_valkey.address}/3")
    store.hit("a", 30, 60)
    store.close()
    with redis.Redis(port=own_valkey.port, password="a/b@c", db=3) as client:
        kept = client.keys("*")

    assert kept == [f"{WINDOW_PREFIX}a".encode()]


@pytest.mark.parametrize("database", [0, 1])
def test_the_rights_that_a_user_is_given_are_enough(own_valkey: Server, database: int) -> None:
    """Those in docs/operating/stores.md; `+select` as well for another database than the first."""
    (rights,) = re.findall("^ACL SETUSER .*$", GUIDE, re.MULTILINE)
    tell(own_valkey, *rights.split(), *(["+select"] if database else []))
    store = open_store(f"redis://send-message:password@{own_valkey.address}/{database}")
    store.probe()
    outcomes: list[Outcome] = ["not_sent", "unknown", "sent"]
    for outcome in outcomes:
        assert store.hit("a", 30, 60).admitted
        assert store.claim("a", "print", "owner", lease=60, again=True).state == ClaimState.NEW
        store.settle("a", "print", "owner", outcome, b"answer")
    store.settle("forgotten", "print", "owner", "sent", b"answer")
    assert store.claim("a", "print", "another", lease=60, again=False).answer == b"answer"
    store.close()


def test_a_key_goes_when_its_window_is_over(store: Store, own_valkey: Server) -> None:
    """The server forgets a user one window after the last admission."""
    store.hit("a", 30, 60)
    left = tell(own_valkey, "PTTL", f"{WINDOW_PREFIX}a")

    assert isinstance(left, int)
    assert 0 < left <= 60_000


def test_a_key_that_was_forgotten_goes_after_a_day(store: Store, own_valkey: Server) -> None:
    """One that is recorded anew is kept like the others, and no longer."""
    store.settle("a", "print", "owner", "sent", b"answer")
    left = tell(own_valkey, "TTL", f"{KEY_PREFIX}a")

    assert isinstance(left, int)
    assert KEPT_SECONDS - 60 <= left <= KEPT_SECONDS


THEIRS = ("HSET", "owner", "they", "fingerprint", "theirs")


@pytest.mark.parametrize("window", [("RPUSH", "x"), ("SET", "x" * 16), ("SET", "x" * 600), ("SET", b"\xff" * 16)])
def test_a_window_that_cannot_be_read_is_no_lost_store(
    store: Store, own_valkey: Server, window: tuple[str, str | bytes]
) -> None:
    """Whoever shares the server and takes our name does not get a 500 out of us, nor trouble those beside them."""
    tell(own_valkey, window[0], f"{WINDOW_PREFIX}a", window[1])
    with pytest.raises(UnreadableRecordError):
        store.hit("a", 30, 60)
    assert store.hit("b", 30, 60).admitted


@pytest.mark.parametrize(
    "key",
    [
        ("RPUSH", "x"),
        THEIRS,
        (*THEIRS, "state", "theirs"),
        (*THEIRS, "state", b"\xff"),
        (*THEIRS, "state", "claimed", "lapses_at", "soon"),
    ],
)
def test_a_key_that_cannot_be_read_is_no_lost_store(
    store: Store, own_valkey: Server, key: tuple[str | bytes, ...]
) -> None:
    """A key that somebody else has written is refused, and all others can be used."""
    tell(own_valkey, str(key[0]), f"{KEY_PREFIX}a", *key[1:])
    with pytest.raises(UnreadableRecordError):
        store.claim("a", "theirs", "owner", lease=60, again=False)
    assert store.claim("b", "theirs", "owner", lease=60, again=False).state == "new"
