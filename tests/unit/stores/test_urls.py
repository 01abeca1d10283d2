"""STORE_URL: what it can say, and what is said about one that cannot be read."""

from pathlib import Path

import pytest

from app.stores.memory import MemoryStore
from app.stores.opening import check_store_url, open_store
from app.stores.redis import RedisStore
from app.stores.sqlite import SqliteStore
from app.stores.urls import StoreUrl, parse_store_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///var/state.sqlite3", StoreUrl("sqlite", path="var/state.sqlite3")),
        ("sqlite:////var/lib/state%20of.db", StoreUrl("sqlite", path="/var/lib/state of.db")),
        ("memory://", StoreUrl("memory")),
        ("redis://cache", StoreUrl("redis", addresses=(("cache", 6379),))),
        (
            "redis://me:p%40ss@cache:7000/2",
            StoreUrl("redis", addresses=(("cache", 7000),), db=2, username="me", password="p@ss"),
        ),
        ("redis://:p@[::1]:7000", StoreUrl("redis", addresses=(("::1", 7000),), password="p")),
        (
            "rediss://cache/1?ssl_ca_certs=/etc/ca.pem",
            StoreUrl(
                "redis", tls=True, addresses=(("cache", 6379),), db=1, options={"ssl_ca_certs": "/etc/ca.pem"}
            ),
        ),
        ("redis+unix:///run/redis.sock?db=4", StoreUrl("redis+unix", path="/run/redis.sock", db=4)),
        ("redis+unix://me:p@/run/r.sock", StoreUrl("redis+unix", path="/run/r.sock", username="me", password="p")),
        (
            "redis+sentinel://me:p@a:1,b/main/3",
            StoreUrl(
                "redis+sentinel",
                addresses=(("a", 1), ("b", 26379)),
                service="main",
                db=3,
                username="me",
                password="p",
            ),
        ),
        ("redis+cluster://a,b:1", StoreUrl("redis+cluster", addresses=(("a", 6379), ("b", 1)))),
        ("rediss+cluster://a", StoreUrl("redis+cluster", tls=True, addresses=(("a", 6379),))),
        ("valkey://cache", StoreUrl("redis", addresses=(("cache", 6379),))),
        (
            "valkeys+sentinel://a/main",
            StoreUrl("redis+sentinel", tls=True, addresses=(("a", 26379),), service="main"),
        ),
    ],
)
def test_a_url_names_a_store(url: str, expected: StoreUrl) -> None:
    """Every form of the documentation is understood as it stands there."""
    assert parse_store_url(url) == expected


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
        "memory://hunter2",
        "redis://",
        "redis://me:hunter2@",
        "redis://me:hunter2@host:port",
        "redis://me:hunter2@host:0",
        "redis://me:hunter2@host:99999",
        "redis://me:hunter2@a,b",
        "redis://me:hunter2@host/x",
        "redis://me:hunter2@host?timeout=1",
        "redis://me:hunter2@host#f",
        "redis://me:hunter2@..",
        "redis://me:hunter2@[::1",
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
    with pytest.raises(ValueError, match=r"^(is|names|takes|may) ") as caught:
        check_store_url(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_is_not_shown() -> None:
    """A URL that was taken apart can be printed."""
    parsed = parse_store_url("redis+sentinel://me:hunter2@a/main?sentinel_password=hunter2")

    assert "hunter2" not in repr(parsed)


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
