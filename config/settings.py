"""The settings: one table, read from the environment, parsed and checked all at once, then frozen.

A setting is a field of `Settings`; its variable is the field's name in capitals. Every setting marked secret, and
the public keys, can be given as NAME_FILE, the path of a file that holds the value.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from environs import Env, EnvError, EnvValidationError
from environs.types import ErrorMapping
from marshmallow import ValidationError

from config import checks


class SettingsError(Exception):
    """The service cannot start as it is set; the text names every problem, one a line, and no value."""


def _setting(
    parser: str,
    help: str,  # noqa: A002 - the word for it
    *,
    default: Any = ...,  # noqa: ANN401 - of the setting's own type; environs' mark for "required"
    validate: Callable[[Any], None] | None = None,
    secret: bool = False,
    from_file: bool = False,
) -> Any:  # noqa: ANN401 - as dataclasses.field
    row = {"parser": parser, "help": help, "default": default, "validate": validate}
    return field(repr=not secret, metadata=row | {"secret": secret, "from_file": secret or from_file})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, parsed. Times are in seconds, sizes in bytes. Its repr shows no secret."""

    jwt_algorithms: tuple[str, ...] = _setting(
        "words", "Signature algorithms of the tokens, of one family", validate=checks.algorithms
    )
    jwt_secret: str | None = _setting("str", "Key of HS* tokens, 32 bytes or more", default=None, secret=True)
    jwt_previous_secret: str | None = _setting(
        "str", "Accepted beside JWT_SECRET while keys are rotated", default=None, secret=True
    )
    jwt_public_key: str | None = _setting(
        "str", "PEM file with the key of RS*, PS*, ES* or EdDSA tokens", default=None, from_file=True
    )
    jwt_previous_public_key: str | None = _setting(
        "str", "Accepted beside JWT_PUBLIC_KEY_FILE while keys are rotated", default=None, from_file=True
    )
    jwt_jwks_url: str | None = _setting("str", "Where the key set is fetched", default=None, validate=checks.url)
    jwt_issuer: str = _setting("str", "The `iss` that tokens must have")
    jwt_audience: str = _setting("str", "The `aud` that tokens must have")
    jwt_max_lifetime_seconds: float | None = _setting(
        "float", "How far ahead `exp` may be", default=None, validate=checks.positive
    )

    account_service_url: str = _setting("base_url", "Where accounts are looked up", validate=checks.url)
    account_service_token: str | None = _setting(
        "str", "Our credential there", default=None, validate=checks.header_value, secret=True
    )
    account_timeout_seconds: float = _setting(
        "float", "Total for one look-up", default=1.5, validate=checks.seconds
    )
    account_cache_seconds: float = _setting(
        "float", "How long a look-up is believed", default=30.0, validate=checks.not_negative
    )

    chat_service_url: str = _setting("base_url", "Where messages go", validate=checks.url)
    chat_service_token: str | None = _setting(
        "str", "Our credential there", default=None, validate=checks.header_value, secret=True
    )
    chat_timeout_seconds: float = _setting("float", "Total for one send", default=8.0, validate=checks.seconds)
    chat_service_dedupes: bool = _setting("bool", "The chat service honours Idempotency-Key", default=False)
    breaker_threshold: int = _setting(
        "int", "Consecutive connect failures that open the circuit", default=20, validate=checks.positive
    )

    rate_limit: str = _setting(
        "str", "Requests per window and user", default="30 per minute", validate=checks.rate_limit
    )
    store_url: str = _setting(
        "str",
        "Where limits and idempotency keys live",
        default="sqlite:///var/state.sqlite3",
        validate=checks.store_url,
        secret=True,
    )
    max_body_bytes: int = _setting("int", "Largest body taken", default=65536, validate=checks.positive)

    bind: str = _setting("str", "Where gunicorn listens", default="0.0.0.0:8000", validate=checks.address)
    web_concurrency: int = _setting(
        "int", "Worker processes", default=os.cpu_count() or 1, validate=checks.positive
    )
    threads: int = _setting("int", "Threads of a worker", default=32, validate=checks.threads)
    metrics_bind: str = _setting(
        "str", "Where metrics will be served; not used yet", default="127.0.0.1:9091", validate=checks.address
    )
    trusted_proxies: int = _setting(
        "int",
        "Proxies in front whose X-Forwarded-For is believed, for the log; not used yet",
        default=0,
        validate=checks.not_negative,
    )
    reference: bool = _setting(
        "bool", "Serve /docs, /openapi.json, /llms.txt and the Markdown pages", default=True
    )
    log_level: str = _setting("upper", "Least level logged", default="INFO", validate=checks.log_level)

    @property
    def jwt_keys(self) -> tuple[str, ...]:
        """The key and, during a rotation, the previous one: secrets or PEM texts."""
        keys = (self.jwt_secret, self.jwt_previous_secret, self.jwt_public_key, self.jwt_previous_public_key)
        return tuple(key for key in keys if key)


class _Reader(Env):
    """environs on a mapping of our own, so that a test's settings are a dict."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(eager=False)
        self._given = values
        self.add_parser("words", lambda text: tuple(text.replace(",", " ").split()))
        self.add_parser("base_url", lambda text: text.rstrip("/"))
        self.add_parser("upper", str.upper)

    def _get_value(self, env_key: str, default: object) -> object:
        return self._given.get(env_key, default)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from these variables; an empty variable counts as not set.

    Raises SettingsError that names every wrong variable at once.
    """
    problems: dict[str, list[str]] = {}
    reader = _Reader(_with_files(environ, problems))
    values = {row.name: _read(reader, row, problems) for row in fields(Settings)}
    _merge(problems, reader)
    _check_together(values, problems)
    if problems:
        raise SettingsError(_sentence(problems))
    return Settings(**values)


def _with_files(environ: Mapping[str, str], problems: dict[str, list[str]]) -> dict[str, str]:
    """The variables, those given as NAME_FILE included under NAME; a file's last line break is not part of it."""
    given = {name: value for name, value in environ.items() if value}
    for row in fields(Settings):
        name = row.name.upper()
        if not given.get(name, "").isprintable() and _undecodable(given[name]):
            problems.setdefault(name, []).append("Not text in UTF-8.")
            del given[name]
        path = given.get(f"{name}_FILE")
        if not (row.metadata["from_file"] and path):
            continue
        if name in given:
            problems.setdefault(name, []).append(f"Set {name} or {name}_FILE, not both.")
        try:
            given[name] = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError):
            problems.setdefault(f"{name}_FILE", []).append("Not a readable text file.")
    return given


def _undecodable(value: str) -> bool:
    """Whether the variable had bytes that are not UTF-8; Python keeps those as lone surrogates (PEP 383)."""
    return any("\ud800" <= char <= "\udfff" for char in value)


def _read(reader: _Reader, row: "Field[Any]", problems: dict[str, list[str]]) -> Any:  # noqa: ANN401 - of the row's type
    name, column = row.name.upper(), row.metadata
    value = getattr(reader, column["parser"])(name, default=column["default"])
    if value is None or value is ... or not column["validate"]:
        return value
    try:
        column["validate"](value)
    except (ValidationError, EnvError, ValueError) as error:
        problems.setdefault(name, []).append(str(error.args[0]))
        return None
    return value


def _merge(problems: dict[str, list[str]], reader: _Reader) -> None:
    try:
        reader.seal()
    except EnvValidationError as error:
        for name, sentences in cast("ErrorMapping", error.error_messages).items():
            problems.setdefault(name, []).extend(sentences)


def _check_together(values: Mapping[str, Any], problems: dict[str, list[str]]) -> None:
    """Checks that look at several settings; a setting that is already wrong is not named again."""
    for name, sentence in checks.keys(values):
        if not any(known in problems for known in (*name.split(" "), f"{name}_FILE")):
            problems.setdefault(name, []).append(sentence)
    if (values["store_url"] or "").startswith("memory:") and (values["web_concurrency"] or 1) > 1:
        problems.setdefault("STORE_URL", []).append(
            "memory:// counts in one process only: set WEB_CONCURRENCY=1, or share a file with sqlite:///path."
        )


def _sentence(problems: Mapping[str, list[str]]) -> str:
    table = [row.name.upper() for row in fields(Settings)]
    order = sorted(problems, key=lambda name: table.index(name.split(" ")[0].removesuffix("_FILE")))
    rows = [f"  {name}: {' '.join(dict.fromkeys(problems[name]))}" for name in order]
    return "\n".join(["The service cannot start; these settings are wrong:", *rows])
