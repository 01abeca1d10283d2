"""What workers are told of how many they are."""

import subprocess
import sys

import pytest

from tests.unit.test_settings import REQUIRED, ROOT

TOLD = """
import os
from types import SimpleNamespace
from config import gunicorn
gunicorn.nworkers_changed(SimpleNamespace(), {count}, 2)
print(os.environ["WEB_CONCURRENCY"])
"""


@pytest.mark.parametrize(("count", "told"), [(3, "3"), (0, "2")])
def test_none_is_no_number_of_workers(count: int, told: str) -> None:
    """SIGWINCH lets all of a daemon's workers go, and SIGHUP is to bring as many back."""
    environ = {**REQUIRED, "WEB_CONCURRENCY": "2"}
    ended = subprocess.run(
        [sys.executable, "-c", TOLD.format(count=count)],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout == f"{told}\n"
