from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.sandbox.launched import Launched, launched


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    with launched(tmp_path_factory.mktemp("sandbox") / "it's var") as launcher:
        launcher.read_until_ready()
        yield launcher


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Launched]:
    with launched(tmp_path / "var") as launcher:
        yield launcher
