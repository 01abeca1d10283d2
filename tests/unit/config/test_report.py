"""What `python -m config` prints of the settings that it finds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import documents, report
from config.settings import read
from tests.environs import CANARY, REQUIRED, ROOT, SECRETS, start

EMPTY = "Present but empty: gunicorn cannot read it; unset it or give a number."


def told(environ: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Value and source of each setting, by its name."""
    lines = [(line[:25].strip(), line[26:71].strip(), line[72:]) for line in report.rows(read(environ))]
    return {name: (value, source) for name, value, source in lines}


def test_every_setting_has_its_line() -> None:
    """Set, by default or not at all: each is there, with its value and where that comes from."""
    found = told(
        {
            **REQUIRED,
            "JWT_ALGORITHMS": "HS256,HS512",
            "CHAT_SERVICE_DEDUPES": "yes",
            "THREADS": "8",
            "JWT_AUDIENCE": "two\nlines",
        }
    )
    assert found["JWT_ALGORITHMS"] == ("HS256 HS512", "environment")
    assert found["CHAT_SERVICE_DEDUPES"] == ("true", "environment")
    assert found["THREADS"] == ("8", "environment")
    assert found["JWT_AUDIENCE"] == ("two …", "environment")
    assert found["RATE_LIMIT"] == ("30 per minute", "default")
    assert found["ACCOUNT_SERVICE_TOKEN"] == ("not set", "default")
    assert list(found) == [line.split("=")[0].removeprefix("# ") for line in example_lines()]


def example_lines() -> list[str]:
    """The lines of .env.example that set something; a public key is there as the file that it comes in."""
    lines = [line.replace("_KEY_FILE=", "_KEY=") for line in documents.example()]
    return [line for line in lines if line.removeprefix("# ").partition("=")[0].isupper()]


def test_no_secret_is_shown() -> None:
    """That they are set is all that is told of them; of a store its place too."""
    environ = {**REQUIRED, **SECRETS}
    assert CANARY not in "".join(report.rows(read(environ)))
    found = told(environ)
    assert {found[name][0] for name in SECRETS if name != "STORE_URL"} == {"********"}
    assert found["STORE_URL"][0] == "redis://********@redis.example"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/state.sqlite3", "sqlite:////srv/state.sqlite3"),
        ("redis://redis:6379/0", "redis://redis:6379/0"),
        ("rediss://user:canary@[::1]:6380/1", "rediss://********@[::1]:6380/1"),
        ("redis+sentinel://:can/ary@a:1,b:2/main", "wrong"),
        ("redis+sentinel://:canary@a:1,b:2/main", "redis+sentinel://********@a:1,b:2/main"),
        ("redis://:can@ary@redis", "********"),
        ("rediss://:canary@redis?ssl_ca_certs=/ca.pem", "********"),
        ("redis://:can?ary@redis", "wrong"),
        ("redis://:can#ary@redis", "wrong"),
        ("redis://redis/0?password=canary", "wrong"),
    ],
)
def test_the_place_of_a_store_is_shown(url: str, shown: str) -> None:
    """Its password is not, wherever it stands."""
    assert told({**REQUIRED, "STORE_URL": url})["STORE_URL"][0] == shown


def test_a_file_is_named(tmp_path: Path) -> None:
    """Who rotates a secret sees which file counts, and that an empty one counts as nothing."""
    secret, empty = tmp_path / "secret", tmp_path / "empty"
    secret.write_text(REQUIRED["JWT_SECRET"])
    empty.touch()
    environ = {
        **REQUIRED,
        "JWT_SECRET": "",
        "JWT_SECRET_FILE": str(secret),
        "JWT_PREVIOUS_SECRET_FILE": str(empty),
    }
    found = told(environ)
    assert found["JWT_SECRET"] == ("********", f"JWT_SECRET_FILE={secret}")
    assert found["JWT_PREVIOUS_SECRET"] == ("not set", f"JWT_PREVIOUS_SECRET_FILE={empty}")


def test_a_wrong_value_is_not_shown() -> None:
    """It may be a secret in the wrong place."""
    environ = {**REQUIRED, "CHAT_SERVICE_URL": "http://user:canary@chat", "THREADS": "canary", "JWT_ISSUER": ""}
    found = told(environ)
    assert found["CHAT_SERVICE_URL"] == found["THREADS"] == ("wrong", "environment")
    assert found["JWT_ISSUER"] == ("not set", "default")


def test_misspelt_settings_are_told() -> None:
    """What is nearly a setting was probably meant to be one; what other programs need is passed over."""
    environ = {
        "CHAT_TIMEOUT_SECOND": "3",
        "RATE_LIMIT_FILE": "x",
        "JWT_SECRET_FILE": "x",
        "ACCOUNT_TIMEOUT": "x",
        "PATH": "x",
        "HOME": "x",
        "CHAT": "x",
    }
    assert list(report.strangers(environ)) == [
        "ACCOUNT_TIMEOUT is no setting and was not read. ACCOUNT_TIMEOUT_SECONDS is one.",
        "CHAT_TIMEOUT_SECOND is no setting and was not read. CHAT_TIMEOUT_SECONDS is one.",
        "RATE_LIMIT_FILE is no setting and was not read. RATE_LIMIT is one.",
    ]


@pytest.mark.system
@pytest.mark.parametrize(
    ("changes", "code", "last"),
    [
        ({}, 0, "The service can start with these settings."),
        ({"THREADS": "many", "JWT_ISSUER": ""}, 1, "  THREADS: Not a valid integer."),
        ({"STORE_URL": "redis+sentinel://:canary@redis"}, 1, "  STORE_URL: One of "),
        ({"STORE_URL": "rediss://:canary@redis?ssl_ca_certs=/no/ca.pem"}, 1, "  STORE_URL: ssl_ca_certs: Not "),
        ({"THREADS": "", "WEB_CONCURRENCY": ""}, 1, f"  WEB_CONCURRENCY: {EMPTY}"),
        (
            {"STORE_URL": "memory://", "WEB_CONCURRENCY": "2"},
            1,
            "  STORE_URL: memory:// counts in one process only",
        ),
        ({"PYTHONOPTIMIZE": "2"}, 1, "POST /v1/send-message/"),
    ],
    ids=[
        "good",
        "two wrong",
        "a store",
        "a store's authority",
        "empty for gunicorn",
        "several memories",
        "routes without docstrings",
    ],
)
def test_check_says_whether_the_service_can_start(changes: dict[str, str], code: int, last: str) -> None:
    """All settings, then every problem, no secret and no traceback; the exit status is for scripts."""
    ended = start(["-m", "config", "check"], {**REQUIRED, **changes})
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ended.stdout.splitlines()[-1].startswith(last)
    assert "RATE_LIMIT                30 per minute" in ended.stdout
    assert REQUIRED["JWT_SECRET"] not in ended.stdout
    assert "canary" not in ended.stdout


def test_no_variable_of_the_example_stops_gunicorn() -> None:
    """Whoever takes away a `#` gets a number of workers: gunicorn itself reads this one, and no empty one."""
    (line,) = [line for line in example_lines() if "WEB_CONCURRENCY" in line]
    assert line.partition("=")[2].isdigit()


@pytest.mark.system
def test_a_shell_reads_the_example(tmp_path: Path) -> None:
    """Filled in and with every default uncommented, it sets what is set where only the required is."""
    defaults = [line.removeprefix("# ") for line in example_lines()]
    # Its number of workers is an example: the default is the machine's.
    filled_in = {**REQUIRED, "WEB_CONCURRENCY": os.cpu_count()}
    file = tmp_path / "env"
    file.write_text("\n".join(defaults + [f'{name}="{value}"' for name, value in filled_in.items()]))
    script = f'set -a; . "{file}"; exec "{sys.executable}" -m config check'
    ended = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0
    shown = {line[:25].strip(): line[26:71].strip() for line in ended.stdout.splitlines()}
    expected = {name: value for name, (value, _) in told(REQUIRED).items()}
    assert {name: shown[name] for name in expected} == expected
