"""The settings: one table, read from the environment, parsed and checked all at once, then frozen.

A setting is a field of `Settings`; its variable is the field's name in capitals. Every setting marked secret, and
the public keys, can be given as NAME_FILE, the path of a file that holds the value. Only the file of a previous
key may be empty, between two rotations.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from config import checks, keys, store_urls
from config.reading import DEFAULT, Reading

# Gunicorn's master puts its name here before it loads the application.
SERVER = "SERVER_SOFTWARE"


class SettingsError(Exception):
    """The settings are wrong and the service cannot start; the text is BEGINNING and a line per variable."""

    BEGINNING = "The service cannot start; these settings are wrong:"

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        rows = (f"  {name}: {' '.join(sentences)}" for name, sentences in problems.items())
        super().__init__("\n".join([self.BEGINNING, *rows]))


def _setting(
    help: str,  # noqa: A002 - the natural name
    *,
    default: Any = ...,  # noqa: ANN401 - the setting's own type; `...` is required
    parse: Callable[[str], Any] | None = None,
    validate: Callable[[Any], object] | None = None,
    secret: bool = False,
    from_file: bool = False,
    empty_file: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare a setting; without `parse`, the field's type says how its text is read."""
    row = {"help": help, "default": default, "parse": parse, "validate": validate, "secret": secret}
    return field(repr=not secret, metadata={**row, "from_file": secret or from_file, "empty_file": empty_file})


def _base_url(text: str) -> str:
    return text.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, parsed. Times are in seconds, sizes in bytes. The repr shows no secret."""

    jwt_algorithms: tuple[str, ...] = _setting(
        "Signature algorithms of the tokens, of one family", validate=checks.algorithms
    )
    jwt_secret: str | None = _setting("Key of HS* tokens, 32 bytes or more", default=None, secret=True)
    jwt_previous_secret: str | None = _setting(
        "Accepted beside JWT_SECRET while keys are rotated", default=None, secret=True, empty_file=True
    )
    jwt_public_key: str | None = _setting(
        "PEM file with the key of RS*, PS*, ES* or EdDSA tokens", default=None, from_file=True
    )
    jwt_previous_public_key: str | None = _setting(
        "Accepted beside JWT_PUBLIC_KEY_FILE while keys are rotated", default=None, from_file=True, empty_file=True
    )
    jwt_jwks_url: str | None = _setting("Where the key set is fetched", default=None, validate=checks.key_set_url)
    jwt_issuer: str = _setting("The `iss` that tokens must have")
    jwt_audience: str = _setting("The `aud` that tokens must have")
    jwt_max_lifetime_seconds: float | None = _setting(
        "How far ahead `exp` may be", default=None, validate=checks.positive
    )

    account_service_url: str = _setting("Where accounts are looked up", parse=_base_url, validate=checks.url)
    account_service_token: str | None = _setting(
        "Our credential there", default=None, validate=checks.header_value, secret=True
    )
    account_timeout_seconds: float = _setting("Total for one look-up", default=1.5, validate=checks.seconds)
    account_cache_seconds: float = _setting(
        "How long a look-up is believed", default=30.0, validate=checks.not_negative
    )

    chat_service_url: str = _setting("Where messages go", parse=_base_url, validate=checks.url)
    chat_service_token: str | None = _setting(
        "Our credential there", default=None, validate=checks.header_value, secret=True
    )
    chat_timeout_seconds: float = _setting("Total for one send", default=8.0, validate=checks.seconds)
    chat_service_dedupes: bool = _setting("The chat service honours Idempotency-Key", default=False)
    breaker_threshold: int = _setting(
        "Consecutive connect failures that open the circuit", default=20, validate=checks.positive
    )

    rate_limit: str = _setting("Requests per window and user", default="30 per minute", validate=checks.rate_limit)
    store_url: str = _setting(
        "Where limits and idempotency keys live",
        default="sqlite:///var/state.sqlite3",
        validate=store_urls.parse,
        secret=True,
    )
    max_body_bytes: int = _setting("Largest body taken", default=65536, validate=checks.body_bytes)

    bind: str = _setting("Where gunicorn listens", default="0.0.0.0:8000", validate=checks.address)
    web_concurrency: int = _setting("Worker processes", default=os.cpu_count() or 1, validate=checks.positive)
    threads: int = _setting("Threads of a worker", default=32, validate=checks.threads)
    metrics_bind: str = _setting(
        "Where gunicorn's master serves metrics and probes", default="127.0.0.1:9091", validate=checks.tcp_address
    )
    trusted_proxies: int = _setting(
        "Proxies in front whose X-Forwarded-For is believed, for the log", default=0, validate=checks.not_negative
    )
    reference: bool = _setting("Serve /docs, /openapi.json, /llms.txt and the Markdown pages", default=True)
    log_level: str = _setting(
        "Lowest level that is logged", default="INFO", parse=str.upper, validate=checks.log_level
    )

    @property
    def jwt_keys(self) -> tuple[str, ...]:
        """The key and, during a rotation, the previous one: secrets or PEM texts."""
        keys = (self.jwt_secret, self.jwt_previous_secret, self.jwt_public_key, self.jwt_previous_public_key)
        return tuple(key for key in keys if key)


def read(environ: Mapping[str, str]) -> Reading:
    """Read every setting from these variables, whether or not the service could start with them."""
    reading = Reading(fields(Settings), environ)
    for name, sentence in keys.problems(reading.values):
        reading.tell(name, sentence)
    memory = (reading.values["store_url"] or "").startswith("memory:")
    if memory and _has_several_workers(reading, environ):
        reading.tell(
            "STORE_URL",
            "memory:// counts in one process only: set WEB_CONCURRENCY=1, or share a file with sqlite:///path.",
        )
    bind = reading.values["bind"] or ""
    # Port 0 gives a different port each time.
    if bind == reading.values["metrics_bind"] and not bind.endswith(":0"):
        reading.tell("BIND and METRICS_BIND", "Each needs an address of its own.")
    return reading


def _has_several_workers(reading: Reading, environ: Mapping[str, str]) -> bool:
    """Return whether several workers are asked for: the default is only what gunicorn starts, nobody else."""
    asked = reading.sources["web_concurrency"] != DEFAULT or environ.get(SERVER, "").startswith("gunicorn")
    return asked and (reading.values["web_concurrency"] or 1) > 1


def load(environ: Mapping[str, str]) -> Settings:
    """Load the settings from these variables; an empty variable counts as not set.

    Raises SettingsError that names every wrong variable at once.
    """
    return settled(read(environ))


def settled(reading: Reading) -> Settings:
    """Return the settings that were read. Raises SettingsError that names every wrong variable at once."""
    if reading.problems:
        raise SettingsError(reading.problems)
    return Settings(**reading.values)
