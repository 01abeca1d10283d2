import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.faults.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage whose choices are the same in every run."""
    # The path of a Unix socket, which Valkey has below it, may not be long.
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stage(Path(folder), seed=1) as running:
        yield running
