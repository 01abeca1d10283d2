from collections.abc import Callable
from pathlib import Path

import pytest

from app import create_app
from config.settings import SettingsError, load
from tests.people import SECRET
from tests.unit.keys import pem, private_pem
from tests.wire import Wire

ALGORITHMS = "Of one family: HS256 HS384 HS512, or of RS* PS* ES* (256 384 512) and EdDSA."
URL = "An http:// or https:// URL of host, port and path: no user, password, query or fragment."
KEY_SET_URL = "An http:// or https:// URL of host, port, path and query: no user, password or fragment."
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
OTHER_KIND = "Not a PEM public key for {}."


def refusal(environ: dict[str, str]) -> str:
    """All that load says is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value).partition("\n")[2].strip()


@pytest.fixture
def asymmetric(environ: dict[str, str]) -> dict[str, str]:
    """Settings that lack nothing but a public key and its algorithm."""
    del environ["JWT_SECRET"]
    return environ


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


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("RS256 RS384 RS512", "RSA"),
        ("PS256 PS384 PS512", "RSA"),
        ("RS256,PS256", "RSA"),
        ("ES256", "P-256"),
        ("ES384", "P-384"),
        ("ES512", "P-521"),
        ("EdDSA", "Ed25519"),
        ("EdDSA", "Ed448"),
    ],
)
def test_public_keys(asymmetric: dict[str, str], names: str, kind: str, tmp_path: Path) -> None:
    """Every asymmetric algorithm takes a PEM file of its kind of key, for the current and the previous key."""
    file = tmp_path / "key.pem"
    file.write_text(pem(kind))
    files = {"JWT_PUBLIC_KEY_FILE": str(file), "JWT_PREVIOUS_PUBLIC_KEY_FILE": str(file)}
    settings = load({**asymmetric, "JWT_ALGORITHMS": names, **files})
    assert settings.jwt_keys == (pem(kind).removesuffix("\n"),) * 2


@pytest.mark.parametrize(
    ("names", "text", "sentence"),
    [
        ("RS256", lambda: pem("P-256"), OTHER_KIND),
        ("PS256", lambda: pem("Ed25519"), OTHER_KIND),
        ("ES256", lambda: pem("RSA"), OTHER_KIND),
        ("ES256", lambda: pem("P-384"), OTHER_KIND),
        ("ES512", lambda: pem("P-256"), OTHER_KIND),
        ("EdDSA", lambda: pem("P-256"), OTHER_KIND),
        ("RS256 ES256", lambda: pem("P-384"), OTHER_KIND),
        ("RS256", lambda: private_pem("RSA"), OTHER_KIND),
        ("ES256", lambda: private_pem("P-256"), OTHER_KIND),
        ("RS256", lambda: private_pem("RSA", b"word"), OTHER_KIND),
        ("RS256", lambda: pem("RSA")[:200], OTHER_KIND),
        ("RS256", lambda: SECRET, OTHER_KIND),
        ("RS256", lambda: pem("weak RSA"), "Needs 2048 to 16384 bits."),
        ("PS512", lambda: pem("weak RSA"), "Needs 2048 to 16384 bits."),
        ("RS256", lambda: pem("RSA") + pem("another RSA"), "Holds several keys: one in each file."),
    ],
)
@pytest.mark.parametrize("variable", ["JWT_PUBLIC_KEY", "JWT_PREVIOUS_PUBLIC_KEY"])
def test_public_key_that_does_not_fit(
    asymmetric: dict[str, str], names: str, text: Callable[[], str], sentence: str, variable: str, tmp_path: Path
) -> None:
    """A key of another kind, too weak, or that only the issuer may have, is refused before any token comes."""
    kind = {"R": "RSA", "P": "RSA", "E": "P-256"}[names[0]]
    good, given = tmp_path / "good.pem", tmp_path / "given.pem"
    good.write_text(pem(kind))
    given.write_text(text())
    files = {"JWT_PUBLIC_KEY_FILE": str(good), f"{variable}_FILE": str(given)}
    told = refusal({**asymmetric, "JWT_ALGORITHMS": names, **files})
    assert f"{variable}_FILE: {sentence.format(' or '.join(names.split()))}" in told
    assert "BEGIN" not in told


@pytest.mark.parametrize(
    "text", [lambda: pem("RSA"), lambda: private_pem("RSA"), lambda: '{"kty":"oct","k":"' + 32 * "a" + '"}']
)
def test_a_key_file_is_no_secret(environ: dict[str, str], text: Callable[[], str]) -> None:
    """Whoever has the public key could sign if it were taken for a secret (RFC 8725 section 2.1)."""
    assert refusal({**environ, "JWT_SECRET": text()}) == "JWT_SECRET: Is a key file or a key set, not a secret."


def test_a_secret_of_32_bytes(environ: dict[str, str]) -> None:
    """Bytes are counted, not letters: 16 letters of two bytes are enough."""
    assert load({**environ, "JWT_SECRET": "ü" * 16}).jwt_keys == ("ü" * 16,)


def test_two_listeners_at_one_address(environ: dict[str, str]) -> None:
    """One of them would wait for the other for ever."""
    told = refusal({**environ, "BIND": "127.0.0.1:8000", "METRICS_BIND": "127.0.0.1:8000"})
    assert told == "BIND and METRICS_BIND: Each needs an address of its own."


def test_a_short_secret_is_told_with_all_else(environ: dict[str, str]) -> None:
    """It is too short for whatever algorithm was meant."""
    told = refusal({**environ, "JWT_ALGORITHMS": "HS256 RS256", "JWT_SECRET": "short"})
    assert told.splitlines()[1].strip() == "JWT_SECRET: Needs at least 32 bytes."


def test_families_are_not_mixed(environ: dict[str, str]) -> None:
    """A secret beside a public key, or with the algorithms of one, is a mistake."""
    both = {**environ, "JWT_PUBLIC_KEY": pem("RSA")}
    only = "With these algorithms set {}, and only that."
    assert refusal(both) == f"JWT_SECRET and JWT_PUBLIC_KEY_FILE: {only.format('JWT_SECRET')}"
    told = refusal({**environ, "JWT_ALGORITHMS": "RS256"})
    assert told == f"JWT_SECRET: {only.format('JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL')}"


@pytest.mark.parametrize("variable", ["JWT_PREVIOUS_SECRET", "JWT_PREVIOUS_PUBLIC_KEY"])
def test_previous_keys_are_of_the_same_family(environ: dict[str, str], variable: str) -> None:
    """A secret left over beside RS256 comes before the public key and turns every good token away."""
    if variable == "JWT_PREVIOUS_SECRET":
        environ = {**environ, "JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY": pem("RSA"), variable: SECRET}
        del environ["JWT_SECRET"]
    else:
        environ[variable] = pem("RSA")
    assert variable in refusal(environ)


def test_public_keys_of_two_kinds(asymmetric: dict[str, str]) -> None:
    """A rotation from RSA to EC: each key is for one of the algorithms, each algorithm has a key."""
    keys = {"JWT_PUBLIC_KEY": pem("P-256"), "JWT_PREVIOUS_PUBLIC_KEY": pem("RSA")}
    settings = load({**asymmetric, "JWT_ALGORITHMS": "RS256 ES256", **keys})
    assert settings.jwt_keys == (pem("P-256"), pem("RSA"))


def test_algorithm_without_a_key(asymmetric: dict[str, str]) -> None:
    """An algorithm that no key is for would turn every token of it away."""
    told = refusal({**asymmetric, "JWT_ALGORITHMS": "RS256 ES256 EdDSA", "JWT_PUBLIC_KEY": pem("RSA")})
    assert told == "JWT_ALGORITHMS: No public key is given for ES256 EdDSA."


@pytest.mark.parametrize("names", ["RS256", "ES256", "EdDSA", "RS256 PS256 ES256 ES384 ES512 EdDSA"])
@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example/.well-known/jwks.json",
        "http://127.0.0.1:8080/keys",
        "https://auth.example/keys?p=b2c_1_sign-in",
        "https://auth.example?a=b@c/d?e&f=%20",
    ],
)
def test_key_set(asymmetric: dict[str, str], names: str, url: str) -> None:
    """A key set serves every asymmetric algorithm; which of them it has keys for may change any time."""
    settings = load({**asymmetric, "JWT_ALGORITHMS": names, "JWT_JWKS_URL": url})
    assert (settings.jwt_jwks_url, settings.jwt_keys) == (url, ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://auth.example/keys",
        "file:///keys",
        "auth.example",
        "https://me:w@auth.example/k",
        "https://me:w@auth.example/k?p=a",
        "https://auth.example/keys#a",
        "https://auth.example/keys?p=a#b",
        "https://auth.example/keys?p=a b",
        "https://auth.example/keys?p=a\n",
        "https://auth.example:99999/keys?p=a",
        "?p=a",
    ],
)
def test_key_set_that_cannot_be_fetched(asymmetric: dict[str, str], url: str) -> None:
    """As the URL of any other service, except that it may have a query."""
    told = refusal({**asymmetric, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": url})
    assert told == f"JWT_JWKS_URL: {KEY_SET_URL}"


def test_key_set_and_a_key_of_its_own(asymmetric: dict[str, str]) -> None:
    """A key that would not be used is a mistake, also a previous one."""
    keyset = {**asymmetric, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": "https://auth.example/keys"}
    told = refusal({**keyset, "JWT_PREVIOUS_PUBLIC_KEY": pem("RSA")})
    assert told == "JWT_PREVIOUS_PUBLIC_KEY_FILE: Not used with JWT_JWKS_URL: the key set has all keys."
    assert "JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL" in refusal({**keyset, "JWT_PUBLIC_KEY": pem("RSA")})
