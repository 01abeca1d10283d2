import pytest

from tests.system.conformance import conform

pytestmark = pytest.mark.system


def test_made_up_requests_get_documented_answers() -> None:
    """A hundred and more; `python -m tests.system.conformance` makes thousands."""
    made, _ = conform(100, seconds=120)
    assert made >= 100
