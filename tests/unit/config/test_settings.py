"""Settings are read from the environment and from files, all at once, and no secret of them is shown."""

import os
import traceback
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from config.settings import Settings, SettingsError, load
from tests.environs import CANARY, REQUIRED, SECRETS

DEFAULTS = {
    "jwt_previous_secret": None,
    "jwt_public_key": None,
    "jwt_previous_public_key": None,
    "jwt_jwks_url": None,
    "jwt_max_lifetime_seconds": None,
    "account_service_token": None,
    "account_timeout_seconds": 1.5,
    "account_cache_seconds": 30.0,
    "chat_service_token": None,
    "chat_timeout_seconds": 8.0,
    "chat_service_dedupes": False,
    "breaker_threshold": 20,
    "rate_limit": "30 per minute",
    "store_url": "sqlite:///var/state.sqlite3",
    "max_body_bytes": 65536,
    "bind": "0.0.0.0:8000",
    "web_concurrency": os.cpu_count(),
    "threads": 32,
    "metrics_bind": "127.0.0.1:9091",
    "trusted_proxies": 0,
    "reference": True,
    "log_level": "INFO",
}


PARSED = [
    ("JWT_ALGORITHMS", "HS256,HS384 HS512", ("HS256", "HS384", "HS512")),
    ("JWT_SECRET", "another secret, of more than 32 bytes", "another secret, of more than 32 bytes"),
    ("JWT_PREVIOUS_SECRET", "a previous secret, more than 32 bytes", "a previous secret, more than 32 bytes"),
    ("JWT_ISSUER", "https://other.example/", "https://other.example/"),
    ("JWT_AUDIENCE", "other", "other"),
    ("JWT_MAX_LIFETIME_SECONDS", "3600", 3600.0),
    ("ACCOUNT_SERVICE_URL", "https://accounts.example:8443/v2/", "https://accounts.example:8443/v2"),
    ("ACCOUNT_SERVICE_TOKEN", "letters.and-digits_0", "letters.and-digits_0"),
    ("ACCOUNT_TIMEOUT_SECONDS", "0.25", 0.25),
    ("ACCOUNT_CACHE_SECONDS", "0", 0.0),
    ("CHAT_SERVICE_URL", "http://[::1]:8080", "http://[::1]:8080"),
    ("CHAT_SERVICE_TOKEN", "opaque==", "opaque=="),
    ("CHAT_TIMEOUT_SECONDS", "600", 600.0),
    ("CHAT_SERVICE_DEDUPES", "true", True),
    ("BREAKER_THRESHOLD", "1", 1),
    ("RATE_LIMIT", "100 per 5 minutes", "100 per 5 minutes"),
    ("STORE_URL", "rediss://:word@redis.example:6380/1", "rediss://:word@redis.example:6380/1"),
    ("MAX_BODY_BYTES", "1024", 1024),
    ("BIND", "unix:/run/send-message.sock", "unix:/run/send-message.sock"),
    ("WEB_CONCURRENCY", "3", 3),
    ("THREADS", "2", 2),
    ("METRICS_BIND", "[::1]:9100", "[::1]:9100"),
    ("TRUSTED_PROXIES", "2", 2),
    ("REFERENCE", "false", False),
    ("LOG_LEVEL", "debug", "DEBUG"),
]


def problems(environ: dict[str, str]) -> dict[str, str]:
    """What load says of each variable that is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    _, *rows = str(caught.value).splitlines()
    return {name: sentence for name, _, sentence in (row.strip().partition(": ") for row in rows)}


def test_defaults() -> None:
    """With what is required and nothing else, every other setting has its published default."""
    settings = load(REQUIRED)
    required = {name.lower() for name in REQUIRED}
    assert {
        row.name: getattr(settings, row.name) for row in fields(Settings) if row.name not in required
    } == DEFAULTS


@pytest.mark.parametrize(("variable", "text", "value"), PARSED, ids=[row[0] for row in PARSED])
def test_every_setting_can_be_told(variable: str, text: str, value: object) -> None:
    """Each variable ends up, parsed, in the field of its name."""
    assert getattr(load({**REQUIRED, variable: text}), variable.lower()) == value


def test_no_setting_is_forgotten_here() -> None:
    """A setting that is added is added to the table above; keys of RS* and the like have tests of their own."""
    elsewhere = {"JWT_PUBLIC_KEY", "JWT_PREVIOUS_PUBLIC_KEY", "JWT_JWKS_URL"}
    assert {row.name.upper() for row in fields(Settings)} == {row[0] for row in PARSED} | elsewhere


def test_nothing_set() -> None:
    """One message names everything that is required, the key with all its spellings."""
    keys = "JWT_SECRET or JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL"
    required = REQUIRED.keys() - {"JWT_SECRET"} | {keys}
    assert problems({}) == dict.fromkeys(required, "Environment variable not set.")


@pytest.mark.parametrize("variable", sorted(REQUIRED.keys() - {"JWT_SECRET"}))
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_each_required_setting(variable: str, value: str | None) -> None:
    """Each is named when it alone is missing, or empty, which counts as missing."""
    changed = {**REQUIRED, variable: value}
    given = {name: text for name, text in changed.items() if text is not None}
    assert variable in problems(given)


@pytest.mark.parametrize("variable", [row[0] for row in PARSED if row[0] not in REQUIRED])
def test_empty_counts_as_not_set(variable: str) -> None:
    """As shells and compose files write what they do not have."""
    assert load({**REQUIRED, variable: ""}) == load(REQUIRED)


def test_several_wrong_at_once() -> None:
    """Whoever sets the service up sees all that is wrong the first time, in the order of the table."""
    wrong = {"THREADS": "many", "JWT_SECRET": "short", "CHAT_SERVICE_URL": "ftp://chat", "LOG_LEVEL": "loud"}
    without_issuer = {name: value for name, value in REQUIRED.items() if name != "JWT_ISSUER"}
    found = problems({**without_issuer, **wrong})
    assert list(found) == ["JWT_SECRET", "JWT_ISSUER", "CHAT_SERVICE_URL", "THREADS", "LOG_LEVEL"]


def test_settings_are_frozen() -> None:
    """Nothing changes how a running service is set."""
    with pytest.raises(FrozenInstanceError):
        load(REQUIRED).threads = 1  # type: ignore[misc] # what is tried here


def test_repr_shows_no_secret() -> None:
    """Settings may end up in a log or a traceback."""
    settings = load({**REQUIRED, **SECRETS})
    assert (settings.jwt_secret, settings.store_url) == (CANARY, SECRETS["STORE_URL"])
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings)


def test_wrong_secrets_are_not_shown() -> None:
    """Neither in the message nor in whatever a traceback would print of its causes."""
    wrong = {
        "JWT_SECRET": "canary",
        "JWT_PREVIOUS_SECRET": "canary",
        "ACCOUNT_SERVICE_TOKEN": "a canary",
        "CHAT_SERVICE_TOKEN": "canary\n",
        "STORE_URL": "postgres://:canary@host",
        "ACCOUNT_SERVICE_URL": "http://user:canary@accounts",
        "CHAT_SERVICE_URL": "http://chat/?token=canary",
    }
    with pytest.raises(SettingsError) as caught:
        load({**REQUIRED, **wrong})
    text = "".join(traceback.format_exception(caught.value))
    assert [name for name in wrong if name not in text] == []
    assert "canary" not in text


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no line break", "line break", "CR LF"])
def test_a_secret_from_a_file(variable: str, end: str, tmp_path: Path) -> None:
    """NAME_FILE is the path of a file that holds the value; editors end it with a line break."""
    file = tmp_path / "secret"
    file.write_bytes(f"{SECRETS[variable]}{end}".encode())
    environ = {name: value for name, value in REQUIRED.items() if name != variable}
    assert load({**environ, f"{variable}_FILE": str(file)}) == load({**environ, variable: SECRETS[variable]})


@pytest.mark.parametrize("variable", [*sorted(SECRETS.keys() - {"JWT_PREVIOUS_SECRET"}), "JWT_PUBLIC_KEY"])
def test_an_empty_file_is_wrong(variable: str, tmp_path: Path) -> None:
    """A file that was cut off changes no store and no credential: what was sent under a key stays known."""
    file = tmp_path / "empty"
    file.write_text("\n")
    unset = {"JWT_SECRET"} if variable == "JWT_PUBLIC_KEY" else {variable}
    environ = {name: value for name, value in REQUIRED.items() if name not in unset}
    found = problems({**environ, f"{variable}_FILE": str(file)})
    assert found[f"{variable}_FILE"] == "The file is empty."


@pytest.mark.parametrize("variable", ["JWT_PREVIOUS_SECRET", "JWT_PREVIOUS_PUBLIC_KEY"])
def test_the_empty_file_of_a_previous_key_counts_as_not_set(variable: str, tmp_path: Path) -> None:
    """So a rotation begins and ends with SIGHUP alone, which cannot change what files are named."""
    file = tmp_path / "empty"
    file.write_text("\n")
    assert load({**REQUIRED, f"{variable}_FILE": str(file)}) == load(REQUIRED)


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("broken", ["missing", "directory", "bytes", "pipe"])
def test_an_unreadable_file(variable: str, broken: str, tmp_path: Path) -> None:
    """What is no text file is named by its variable, not by its path, and is never a traceback."""
    file = tmp_path / CANARY
    if broken == "directory":
        file.mkdir()
    if broken == "bytes":
        file.write_bytes(b"\xff" * 40)
    if broken == "pipe":
        os.mkfifo(file)
    environ = {name: value for name, value in REQUIRED.items() if name != variable}
    found = problems({**environ, f"{variable}_FILE": str(file)})
    assert found[f"{variable}_FILE"] == "Not a readable text file."
    assert CANARY not in str(found)


@pytest.mark.parametrize("variable", SECRETS)
def test_both_the_value_and_a_file(variable: str, tmp_path: Path) -> None:
    """Nobody has to guess which of the two counts."""
    file = tmp_path / "secret"
    file.write_text(SECRETS[variable])
    found = problems({**REQUIRED, variable: SECRETS[variable], f"{variable}_FILE": str(file)})
    assert found == {variable: f"Set {variable} or {variable}_FILE, not both."}
