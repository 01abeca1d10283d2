"""Where the stores of these tests are."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def path() -> Iterator[Path]:
    """In memory where possible: where others keep the disk busy, a hit waits too long for its turn."""
    memory = "/dev/shm"  # noqa: S108 - the folder in it is this user's alone
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name) / "state.sqlite3"
