"""The syntax of STORE_URL. Imports no store's library, since gunicorn's master reads the URL as well."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_LOGIN = r"(?:(?P<username>[^:/?#]*)(?::(?P<password>[^/?#]*))?@)?"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::[1-9][0-9]{0,4})?"
_HOSTS = rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
_DB = r"(?:/(?P<db>[0-9]{1,4})?)?"
_FORMS = {
    "sqlite": r"/(?P<path>(?!:).*[^/])",
    "memory": "",
    "redis": rf"{_LOGIN}(?P<hosts>{_HOST}){_DB}",
    "rediss": rf"{_LOGIN}(?P<hosts>{_HOST}){_DB}(?:\?ssl_ca_certs=(?P<ssl_ca_certs>[^&#]+))?",
    "redis+unix": rf"{_LOGIN}(?P<path>/[^?#]+)(?:\?db=(?P<db>[0-9]{{1,4}}))?",
    "redis+sentinel": rf"{_LOGIN}{_HOSTS}/(?P<service>[^/?#]+){_DB}",
    "redis+cluster": rf"{_LOGIN}{_HOSTS}/?",
}
_REFUSAL = (
    "One of sqlite:///path, memory://, redis://user:password@host:port/db, rediss://…, redis+unix:///path, "
    "redis+sentinel://host,host/service, redis+cluster://host,host."
)
_REDIS_PORT, _SENTINEL_PORT = 6379, 26379


class StorePlace(NamedTuple):
    """The location of a store: host and port of each server, or a path with port 0; empty for memory://.

    `options` has the login, the database and so on, under redis-py's names; `service` is the name of the master
    at the sentinels.
    """

    scheme: str
    known: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, str]


def parse(url: str) -> StorePlace:
    """Parse `url`; raises ValueError with a sentence that shows no part of it."""
    scheme, _, rest = url.partition("://")
    found = re.fullmatch(_FORMS.get(scheme, "(?!)"), rest, re.ASCII | re.DOTALL) if "://" in url else None
    if found is None or "\0" in unquote(rest):
        raise ValueError(_REFUSAL)
    parts = {name: unquote(value) for name, value in found.groupdict().items() if value}
    path, hosts, service = (parts.pop(name, "") for name in ("path", "hosts", "service"))
    known = ((path, 0),) if path else _addresses(hosts, _SENTINEL_PORT if service else _REDIS_PORT)
    return StorePlace(scheme, known, service, parts)


def _addresses(hosts: str, default: int) -> tuple[tuple[str, int], ...]:
    try:
        parts = [urlsplit(f"//{host}") for host in hosts.split(",") if host]
        return tuple((part.hostname or "", part.port or default) for part in parts)
    except ValueError:
        # urlsplit's message would repeat the address.
        raise ValueError(_REFUSAL) from None
