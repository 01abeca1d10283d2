"""What workers are told of how many they and their threads are."""

import subprocess
import sys

import pytest

from tests.environs import REQUIRED, ROOT

TOLD = """
import os
from types import SimpleNamespace
from config import gunicorn
server = SimpleNamespace(cfg=SimpleNamespace(threads={threads}))
gunicorn.nworkers_changed(server, {count}, 2)
print(os.environ["WEB_CONCURRENCY"], os.environ["THREADS"])
"""


def told(count: int, threads: int) -> list[str]:
    """The settings that the application gets, the workers and the threads, if gunicorn has these."""
    ended = subprocess.run(
        [sys.executable, "-c", TOLD.format(count=count, threads=threads)],
        cwd=ROOT,
        env={**REQUIRED, "WEB_CONCURRENCY": "2", "THREADS": "32"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ended.stdout.split()


@pytest.mark.parametrize(("count", "workers"), [(3, "3"), (0, "2")])
def test_none_is_no_number_of_workers(count: int, workers: str) -> None:
    """SIGWINCH lets all of a daemon's workers go, and SIGHUP is to bring as many back."""
    assert told(count, threads=32) == [workers, "32"]


@pytest.mark.parametrize(("given", "threads"), [(8, "8"), (1, "2")])
def test_threads_are_those_that_gunicorn_has(given: int, threads: str) -> None:
    """Its `--threads` counts for both; one thread is too few for the setting, and no reason not to start."""
    assert told(2, threads=given) == ["2", threads]
