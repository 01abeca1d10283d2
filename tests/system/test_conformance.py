"""Requests that a program makes up from the OpenAPI document, against a real service."""

import pytest

from tests.system.conformance import conform

pytestmark = pytest.mark.system


def test_made_up_requests_get_documented_answers() -> None:
    """A hundred, the same each time; `python -m tests.system.conformance` makes thousands, always others."""
    made, _ = conform(100, 120, "--seed", "1")
    assert made >= 100
