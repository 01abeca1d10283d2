"""A setting has one of the values that it can have, or the service does not start and says which."""

import os

import pytest

from app import create_app
from config.settings import load
from tests.environs import refusal
from tests.wire import Wire

ALGORITHMS = "Of one family: HS256 HS384 HS512, or of RS* PS* ES* (256 384 512) and EdDSA."


URL = "An http:// or https:// URL of host, port and path: no user, password, query or fragment."


STORES = (
    "One of sqlite:///path, memory://, redis://user:password@host:port/db, rediss://…, redis+unix:///path, "
    "redis+sentinel://host,host/service, redis+cluster://host,host."
)


LIMIT = 'One limit such as "30 per minute" or "100 per 5 minutes".'


SECONDS = "Seconds, more than 0 and at most 600."


INFINITE = "Special numeric values (nan or infinity) are not permitted."


ADDRESS = "HOST:PORT or unix:PATH."


HEADER = "Visible ASCII without spaces."


LEVEL = "One of DEBUG, INFO, WARNING, ERROR, CRITICAL."


THREADS = "Must be 2 or more: a quarter of the threads never waits for other services."


WRONG = [
    ("JWT_ALGORITHMS", "none", ALGORITHMS),
    ("JWT_ALGORITHMS", "HS256 none", ALGORITHMS),
    ("JWT_ALGORITHMS", "hs256", ALGORITHMS),
    ("JWT_ALGORITHMS", "HS256 RS256", ALGORITHMS),
    ("JWT_ALGORITHMS", " , ", ALGORITHMS),
    ("JWT_ALGORITHMS", "ES256K", ALGORITHMS),
    ("JWT_SECRET", "31 bytes are one byte too few..", "Needs at least 32 bytes."),
    ("JWT_PREVIOUS_SECRET", "31 bytes are one byte too few..", "Needs at least 32 bytes."),
    ("ACCOUNT_SERVICE_URL", "accounts.example:80", URL),
    ("ACCOUNT_SERVICE_URL", "ftp://accounts.example", URL),
    ("ACCOUNT_SERVICE_URL", "http://", URL),
    ("CHAT_SERVICE_URL", "//chat.example", URL),
    ("CHAT_SERVICE_URL", "http://:8080/chat", URL),
    ("CHAT_SERVICE_URL", "http://[::1/chat", URL),
    ("CHAT_SERVICE_URL", "http://me:word@chat.example", URL),
    ("CHAT_SERVICE_URL", "http://chat.example/?a=b", URL),
    ("CHAT_SERVICE_URL", "http://chat.example/#a", URL),
    ("CHAT_SERVICE_URL", "http://chät.example", URL),
    ("CHAT_SERVICE_URL", "http://chat.example:99999", URL),
    ("CHAT_SERVICE_URL", "http://chat.example:http", URL),
    ("CHAT_SERVICE_URL", "http://chat example", URL),
    ("CHAT_SERVICE_URL", "http://chat.example/a\nb", URL),
    ("CHAT_SERVICE_URL", "http://@chat.example", URL),
    ("CHAT_SERVICE_URL", "http://chat.example/?", URL),
    ("CHAT_SERVICE_URL", "http://chat.example/#", URL),
    ("CHAT_SERVICE_URL", "http://..", URL),
    ("CHAT_SERVICE_URL", "http://chat..example", URL),
    ("CHAT_SERVICE_URL", "http://chat.example:0", URL),
    ("CHAT_SERVICE_URL", "http://[:::::]", URL),
    ("CHAT_SERVICE_TOKEN", "two words", HEADER),
    ("CHAT_SERVICE_TOKEN", "line\r\nX-Other: break", HEADER),
    ("ACCOUNT_SERVICE_TOKEN", "schlüssel", HEADER),
    ("CHAT_TIMEOUT_SECONDS", "0.0", SECONDS),
    ("CHAT_TIMEOUT_SECONDS", "-8.125", SECONDS),
    ("CHAT_TIMEOUT_SECONDS", "600.5", SECONDS),
    ("CHAT_TIMEOUT_SECONDS", "8 s", "Not a valid number."),
    ("ACCOUNT_TIMEOUT_SECONDS", "NaN", INFINITE),
    ("ACCOUNT_TIMEOUT_SECONDS", "1e400", INFINITE),
    ("ACCOUNT_CACHE_SECONDS", "-30.125", "Must be 0 or more."),
    ("ACCOUNT_CACHE_SECONDS", "Infinity", INFINITE),
    ("JWT_MAX_LIFETIME_SECONDS", "0", "Must be 1 or more."),
    ("JWT_MAX_LIFETIME_SECONDS", "inf", INFINITE),
    ("JWT_MAX_LIFETIME_SECONDS", "1h", "Not a valid number."),
    ("CHAT_SERVICE_DEDUPES", "perhaps", "Not a valid boolean."),
    ("BREAKER_THRESHOLD", "0", "Must be 1 or more."),
    ("RATE_LIMIT", "thirty", LIMIT),
    ("RATE_LIMIT", "0 per minute", LIMIT),
    ("RATE_LIMIT", "30 per minute; 5 per second", LIMIT),
    ("RATE_LIMIT", "0per minute", LIMIT),
    ("RATE_LIMIT", "30 per 0 minutes", LIMIT),
    ("RATE_LIMIT", "30 per 0minutes", LIMIT),
    ("RATE_LIMIT", "30 per 367 days", LIMIT),
    ("RATE_LIMIT", "1000001 per minute", LIMIT),
    ("STORE_URL", "postgres://db.example", STORES),
    ("STORE_URL", "var/state.sqlite3", STORES),
    ("STORE_URL", "memory://here", STORES),
    ("STORE_URL", "sqlite:///", STORES),
    ("STORE_URL", "redis+unix://", STORES),
    ("STORE_URL", "redis:///0", STORES),
    ("MAX_BODY_BYTES", "64k", "Not a valid integer."),
    ("MAX_BODY_BYTES", "-65536", "Bytes, from 1 to 16777216."),
    ("MAX_BODY_BYTES", "9223372036854775807", "Bytes, from 1 to 16777216."),
    ("BIND", "localhost", ADDRESS),
    ("BIND", "localhost:http", ADDRESS),
    ("BIND", "127.0.0.1:99999", ADDRESS),
    ("METRICS_BIND", "unix:/run/metrics", "HOST:PORT."),
    ("METRICS_BIND", "9091", "HOST:PORT."),
    ("WEB_CONCURRENCY", "0", "Must be 1 or more."),
    ("WEB_CONCURRENCY", "2.5", "Not a valid integer."),
    ("THREADS", "1", THREADS),
    ("TRUSTED_PROXIES", "-3", "Must be 0 or more."),
    ("LOG_LEVEL", "loud", LEVEL),
    ("LOG_LEVEL", "NOTSET", LEVEL),
    ("LOG_LEVEL", "warn", LEVEL),
    ("LOG_LEVEL", "FATAL", LEVEL),
    (
        "JWT_JWKS_URL",
        "https://auth.example/keys",
        "With these algorithms set JWT_SECRET, and only that.",
    ),
]


@pytest.mark.parametrize(("variable", "value", "sentence"), WRONG, ids=[f"{row[0]}={row[1]}" for row in WRONG])
def test_wrong_setting(environ: dict[str, str], variable: str, value: str, sentence: str) -> None:
    """Each is named, alone, with what would be right and without the value."""
    environ.pop("JWT_SECRET" if variable == "JWT_JWKS_URL" else "", None)
    assert refusal({**environ, variable: value}) == f"{variable}: {sentence}"


@pytest.mark.parametrize(
    "variable", ["JWT_SECRET", "JWT_ISSUER", "CHAT_SERVICE_URL", "CHAT_SERVICE_TOKEN", "STORE_URL"]
)
def test_bytes_that_are_no_text(environ: dict[str, str], variable: str) -> None:
    """Python keeps bytes that are not UTF-8 as lone surrogates (PEP 383); nothing could encode them again."""
    assert f"{variable}: Not text in UTF-8." in refusal({**environ, variable: "\udcff" * 40})


@pytest.mark.parametrize(
    "url",
    ["redis://r", "rediss://:w@r:6380/1", "redis+sentinel://a,b:1/mine", "redis+cluster://a,b", "redis+unix:///s"],
)
def test_stores_that_are_named_can_be_opened(environ: dict[str, str], url: str) -> None:
    """Every form that the message about STORE_URL offers starts a service, before its store is there."""
    create_app(load({**environ, "STORE_URL": url}), transport=Wire())


def test_memory_and_several_workers(environ: dict[str, str]) -> None:
    """Each worker would admit the whole limit."""
    told = refusal({**environ, "STORE_URL": "memory://", "WEB_CONCURRENCY": "2"})
    assert told.startswith("STORE_URL: memory:// counts in one process only")


def test_memory_and_no_number_of_workers(environ: dict[str, str]) -> None:
    """The number of cores is what gunicorn starts; any other server and a test are one process, untold."""
    environ |= {"STORE_URL": "memory://", "WEB_CONCURRENCY": ""}
    assert load(environ).store_url == "memory://"
    if os.cpu_count() != 1:
        told = refusal({**environ, "SERVER_SOFTWARE": "gunicorn/27.0.0"})
        assert told.startswith("STORE_URL: memory:// counts in one process only")


def test_two_listeners_at_one_address(environ: dict[str, str]) -> None:
    """One of them would wait for the other for ever."""
    told = refusal({**environ, "BIND": "127.0.0.1:8000", "METRICS_BIND": "127.0.0.1:8000"})
    assert told == "BIND and METRICS_BIND: Each needs an address of its own."
