"""STORE_URL, taken apart."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SQLITE = "sqlite"
MEMORY = "memory"
# For each way to reach a Redis: the port where none is named, and the options that its URL may have.
_TLS_OPTIONS = frozenset({"ssl_ca_certs"})
_SERVERS = {
    "redis": (6379, frozenset[str]()),
    "rediss": (6379, _TLS_OPTIONS),
    "redis+unix": (0, frozenset({"db"})),
    "redis+sentinel": (26379, frozenset({"sentinel_username", "sentinel_password"})),
    "rediss+sentinel": (26379, _TLS_OPTIONS | {"sentinel_username", "sentinel_password"}),
    "redis+cluster": (6379, frozenset[str]()),
    "rediss+cluster": (6379, _TLS_OPTIONS),
}
_FORMS = (
    "sqlite:///path, memory://, redis://host, rediss://host, redis+unix:///path, "
    "redis+sentinel://host,host/service or redis+cluster://host,host"
)


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """One store. `kind` is its scheme without TLS; `path` is a file, a socket, or empty."""

    kind: str
    tls: bool = False
    path: str = ""
    addresses: tuple[tuple[str, int], ...] = ()
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)


def parse_store_url(url: str) -> StoreUrl:
    """Take `url` apart; touches nothing.

    Raises ValueError with a sentence of ours, which repeats nothing of a URL that may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f"is not one of {_FORMS}")
    if scheme == SQLITE:
        return _file(rest)
    if scheme == MEMORY:
        return _memory(rest)
    scheme = scheme.replace("valkey", "redis", 1)
    if scheme not in _SERVERS:
        raise ValueError(f"is not one of {_FORMS}")
    return _server(scheme, f"//{rest}")


def _file(rest: str) -> StoreUrl:
    path = unquote(rest[1:])
    if not rest.startswith("/") or not path or path.startswith(":") or path.endswith("/") or "\0" in path:
        raise ValueError("names no file: sqlite:///relative/path or sqlite:////absolute/path")
    return StoreUrl(SQLITE, path=path)


def _memory(rest: str) -> StoreUrl:
    if rest:
        raise ValueError("takes nothing after memory://")
    return StoreUrl(MEMORY)


def _server(scheme: str, rest: str) -> StoreUrl:
    port, allowed = _SERVERS[scheme]
    parts = _split(rest)
    credential, _, addresses = parts.netloc.rpartition("@")
    username, _, password = credential.partition(":")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.fragment or not options.keys() <= allowed:
        raise ValueError(f"may have these options only: {', '.join(sorted(allowed)) or 'none'}")
    kind = scheme.replace("rediss", "redis", 1)
    path, service, db = _path(kind, unquote(parts.path), options.pop("db", ""))
    return StoreUrl(
        kind,
        tls=scheme.startswith("rediss"),
        path=path,
        addresses=_addresses(kind, addresses, port),
        service=service,
        db=db,
        username=unquote(username) or None,
        password=unquote(password) or None,
        options=options,
    )


def _path(kind: str, path: str, db: str) -> tuple[str, str, int]:
    """The socket, the service of the sentinels, and the number of the database."""
    if kind == "redis+unix":
        if path in {"", "/"}:
            raise ValueError("names no socket: redis+unix:///path")
        return path, "", _db(db)
    service = ""
    path = path.removeprefix("/")
    if kind == "redis+sentinel":
        service, _, path = path.partition("/")
        if not service:
            raise ValueError("names no service: redis+sentinel://host,host/service")
    if kind == "redis+cluster" and path not in {"", "0"}:
        raise ValueError("names a database; a cluster has only one")
    return "", service, _db(path)


def _db(digits: str) -> int:
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) < len("10000")):
        raise ValueError("names a database that is not a number")
    return int(digits or 0)


def _addresses(kind: str, netloc: str, port: int) -> tuple[tuple[str, int], ...]:
    if kind == "redis+unix":
        if netloc:
            raise ValueError("names a host beside a socket")
        return ()
    if kind == "redis" and "," in netloc:
        raise ValueError("names several hosts, which are known to sentinels and clusters only")
    return tuple(_address(address, port) for address in netloc.split(","))


def _address(address: str, default: int) -> tuple[str, int]:
    parts = _split(f"//{address}")
    try:
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        host, port = "", None
    if not host or parts.path or port == 0:
        raise ValueError("names a host or port that cannot be read")
    return host, port or default


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        # Its sentence repeats the address, and with it perhaps a password.
        pass
    raise ValueError("names a host or port that cannot be read")
