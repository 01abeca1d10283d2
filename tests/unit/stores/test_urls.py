"""STORE_URL: what it can say, and what is said about one that cannot be read."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from redis.connection import AbstractConnection, UnixDomainSocketConnection

from app.stores.memory import MemoryStore
from app.stores.redis import RedisStore
from app.stores.redis.connections import NamedTLSConnection
from app.stores.redis.sentinels import Sentinels
from app.stores.redis.servers import Cluster, Servers
from app.stores.sqlite import SqliteStore
from tests.unit.stores.opened import open_store


def servers_of(url: str) -> Servers:
    store = open_store(url)
    assert isinstance(store, RedisStore)
    return store._servers


def connection_to(servers: Servers) -> AbstractConnection:
    """One that the store would make for its first call."""
    return servers._connect(servers._known[0])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", {"host": "cache", "port": 6379, "db": 0, "username": None, "password": None}),
        ("redis://cache.example.:1/", {"host": "cache.example.", "port": 1}),
        (
            "redis://me:p%40s:@s@cache:7000/2",
            {"host": "cache", "port": 7000, "db": 2, "username": "me", "password": "p@s:@s"},
        ),
        ("redis://:p@[::1]:7000", {"host": "::1", "port": 7000, "username": None, "password": "p"}),
        ("rediss://cache/1", {"host": "cache", "db": 1}),
        ("redis+unix:///run/redis%20.sock?db=4", {"path": "/run/redis .sock", "db": 4}),
        ("redis+unix://me:p@/run/r.sock", {"path": "/run/r.sock", "username": "me", "password": "p"}),
        ("redis+cluster://me:p@a,b:1", {"host": "a", "port": 6379, "username": "me", "password": "p"}),
    ],
)
def test_a_url_says_how_to_connect(url: str, expected: dict[str, Any]) -> None:
    """Host or path, login and database are those of the URL; what it leaves out is as Redis has it."""
    connection = connection_to(servers_of(url))

    assert {name: getattr(connection, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "kind"),
    [("rediss://cache", NamedTLSConnection), ("redis+unix:///run/r.sock", UnixDomainSocketConnection)],
)
def test_a_scheme_says_by_what_to_connect(url: str, kind: type[AbstractConnection]) -> None:
    """TLS and sockets are not mistaken for plain TCP."""
    assert type(connection_to(servers_of(url))) is kind


def test_a_login_is_for_the_master_and_not_for_its_sentinels() -> None:
    """The sentinels are asked for the service; whom they name is told the login and the database."""
    servers = servers_of("redis+sentinel://me:p@a:1,b/main/3")
    assert isinstance(servers, Sentinels)
    sentinel = connection_to(servers._sentinels)
    master: Any = servers._connect(("m", 6380))

    assert servers._sentinels._known == (("a", 1), ("b", 26379))
    assert servers._service == "main"
    assert (sentinel.username, sentinel.password, sentinel.db) == (None, None, 0)
    assert (master.username, master.password, master.db, master.host, master.port) == ("me", "p", 3, "m", 6380)


def test_a_cluster_is_asked_by_all_names() -> None:
    """Each of them can be the one that is there."""
    servers = servers_of("redis+cluster://a,b:1")

    assert isinstance(servers, Cluster)
    assert servers._known == (("a", 6379), ("b", 1))


def test_the_path_of_a_file_can_be_any(tmp_path: Path) -> None:
    """Three slashes begin a relative path, four an absolute one; the rest is percent-encoded."""
    place = tmp_path / "state of?#% 1"
    store = open_store(f"sqlite:///{tmp_path}/state%20of%3F%23%25%201")
    store.hit("a", 30, 60)
    store.close()

    assert place.exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "postgres://me:hunter2@db",
        "sqlite://hunter2",
        "sqlite:///",
        "sqlite:///folder/",
        "sqlite:///:memory:",
        "sqlite:///hunter2%00",
        "memory",
        "memory://hunter2",
        "redis://",
        "redis://me:hunter2@",
        "redis://me:hunter2@host:port",
        "redis://me:hunter2@host:0",
        "redis://me:hunter2@host:99999",
        "redis://me:hunter2@a,b",
        "redis://me:hunter2@host/x",
        "redis://me:hunter2@host?timeout=1",
        "redis://me:hunter2@host?ssl_ca_certs=/ca",
        "rediss+cluster://me:hunter2@host",
        "valkey://me:hunter2@host",
        "redis://me:hunter2@host#f",
        "redis://me:hunter2@..",
        "redis://me:hunter2@[::1",
        "redis://me:hunter2@[1]",
        f"redis://me:hunter2@{'x' * 64}",
        "redis://me:hunter2@ü",
        "redis+unix:///hunter2%00",
        "redis+unix://me:hunter2@",
        "redis+unix://me:hunter2@host/path",
        "redis+unix:///path?db=hunter2",
        "redis+sentinel://me:hunter2@host",
        "redis+sentinel://me:hunter2@host/",
        "redis+sentinel://me:hunter2@host/main/x",
        "redis+cluster://me:hunter2@host/1",
        "redis+cluster://me:hunter2@a,,b",
    ],
)
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    """With a sentence about it that repeats nothing of it: there may be a password in it."""
    with pytest.raises(ValueError, match=r"^One of sqlite:///path, ") as caught:
        open_store(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryStore),
        ("sqlite:///var/state.sqlite3", SqliteStore),
        ("redis://cache", RedisStore),
        ("rediss://cache", RedisStore),
        ("redis+unix:///run/redis.sock", RedisStore),
        ("redis+sentinel://a/main", RedisStore),
        ("redis+cluster://a", RedisStore),
    ],
)
def test_a_url_opens_its_store(url: str, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening makes and connects nothing."""
    monkeypatch.chdir(tmp_path)

    assert isinstance(open_store(url), kind)
    assert list(tmp_path.iterdir()) == []


def test_an_sqlite_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a lost store for ever, and nothing would say why."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")

    with pytest.raises(ValueError, match=r"^Needs SQLite 3\.37 or later, and this Python has 3\.34\.1\.$"):
        open_store("sqlite:///var/state.sqlite3")
