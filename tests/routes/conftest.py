"""What operators see of the requests of a test."""

import pytest

from tests.routes.seen import Heard


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Heard:
    return Heard(capsys)
