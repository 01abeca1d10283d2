"""From STORE_URL to the store that it names."""

import re
import sqlite3
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.connection import AbstractConnection, UnixDomainSocketConnection

from app.stores import Store
from app.stores.memory import MemoryStore
from app.stores.redis import RedisStore
from app.stores.redis.connections import NamedConnection, NamedTLSConnection
from app.stores.redis.servers import Address, Cluster, Sentinels, Servers
from app.stores.sqlite import SqliteStore

_LOGIN = r"(?:(?P<username>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::[1-9][0-9]{0,4})?"
_HOSTS = rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
_DB = r"(?:/(?P<db>[0-9]{1,4})?)?"
_FORMS = {
    "sqlite://": r"/(?P<path>(?!:).*[^/])",
    "memory://": "",
    "redis://": rf"{_LOGIN}(?P<hosts>{_HOST}){_DB}",
    "rediss://": rf"{_LOGIN}(?P<hosts>{_HOST}){_DB}(?:\?ssl_ca_certs=(?P<ssl_ca_certs>[^&#]+))?",
    "redis+unix://": rf"{_LOGIN}(?P<path>/[^?#]+)(?:\?db=(?P<db>[0-9]{{1,4}}))?",
    "redis+sentinel://": rf"{_LOGIN}{_HOSTS}/(?P<service>[^/?#]+){_DB}",
    "redis+cluster://": rf"{_LOGIN}{_HOSTS}/?",
}
_KINDS = {"rediss": NamedTLSConnection, "redis+unix": UnixDomainSocketConnection}
_REFUSAL = (
    "is not one of sqlite:///path, memory://, redis://user:password@host:port/db, rediss://…, "
    "redis+unix:///path, redis+sentinel://host,host/service, redis+cluster://host,host"
)
# Before it there are no strict tables.
_OLDEST_SQLITE = (3, 37)


def open_store(url: str) -> Store:
    """The store that `url` names; nothing is connected or made before its first use.

    Raises ValueError with a sentence of ours, which repeats nothing of a URL that may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    found = re.fullmatch(_FORMS.get(scheme + separator, "(?!)"), rest, re.ASCII | re.DOTALL)
    if found is None or "\0" in unquote(rest):
        raise ValueError(_REFUSAL)
    parts = {name: unquote(value) for name, value in found.groupdict().items() if value}
    if scheme == "sqlite":
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ValueError(f"needs SQLite 3.37 or later, and this Python has {sqlite3.sqlite_version}")
        return SqliteStore(parts["path"])
    if scheme == "memory":
        return MemoryStore()
    try:
        return RedisStore(_servers(scheme, parts))
    except ValueError:
        # urlsplit's sentence repeats the address.
        raise ValueError(_REFUSAL) from None


def _servers(scheme: str, parts: dict[str, str]) -> Servers:
    path, hosts, service = (parts.pop(name, "") for name in ("path", "hosts", "service"))
    options: dict[str, Any] = {**parts, "db": int(parts.get("db", 0))}
    connect = partial(_connection, _KINDS.get(scheme, NamedConnection), options)
    known = [(path, 0)] if path else _addresses(hosts, 26379 if service else 6379)
    if service:
        # The login is for the master.
        return Sentinels(connect, Servers(partial(_connection, NamedConnection, {}), known), service)
    return (Cluster if scheme == "redis+cluster" else Servers)(connect, known)


def _addresses(hosts: str, default: int) -> list[Address]:
    parts = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(part.hostname or "", part.port or default) for part in parts]


def _connection(kind: type[AbstractConnection], options: dict[str, Any], address: Address) -> AbstractConnection:
    host, port = address
    place: dict[str, Any] = {"host": host, "port": port} if port else {"path": host}
    # RESP2 needs no HELLO; without driver_info there is no CLIENT SETINFO.
    return kind(protocol=2, driver_info=None, **place, **options)
