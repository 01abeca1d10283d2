"""What a service starts with: the settings that it needs, all of its secrets, and a process that gets them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import SettingsError, load
from tests.people import AUDIENCE, ISSUER, SECRET
from tests.wire import ACCOUNTS, CHAT

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-that-must-not-sing-in-any-text"
REQUIRED = {
    "JWT_ALGORITHMS": "HS256",
    "JWT_SECRET": SECRET,
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "ACCOUNT_SERVICE_URL": ACCOUNTS,
    "CHAT_SERVICE_URL": CHAT,
}
SECRETS = {
    "JWT_SECRET": CANARY,
    "JWT_PREVIOUS_SECRET": CANARY,
    "ACCOUNT_SERVICE_TOKEN": CANARY,
    "CHAT_SERVICE_TOKEN": CANARY,
    "STORE_URL": f"redis://:{CANARY}@redis.example",
}


def start(arguments: list[str], environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments and settings, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refusal(environ: dict[str, str]) -> str:
    """All that load says is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value).partition("\n")[2].strip()
