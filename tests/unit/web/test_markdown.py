"""The page of an operation tells of its own failures."""

import gc
from collections.abc import Iterator

import pytest

from app.errors import BadRequestError
from app.web.reference import markdown
from tests.conventions.operations import OPERATIONS

(SEND,) = [operation for operation in OPERATIONS if operation.name == "send_message"]


@pytest.fixture
def failure() -> Iterator[type[BadRequestError]]:
    """One that is among all failures for as long as the test runs."""
    kind = type("ElsewhereError", (BadRequestError,), {"__doc__": "Elsewhere.", "code": "ELSEWHERE"})
    yield kind
    del kind
    gc.collect()


def test_a_failure_of_one_view_is_on_its_page_alone(failure: type[BadRequestError]) -> None:
    """Callers of the others need not ask themselves how they could come by it."""
    failure.only_in = frozenset({"another_view"})
    assert "ELSEWHERE" not in markdown.page(SEND, "1/s")
    failure.only_in = frozenset({"send_message"})
    assert "ELSEWHERE" in markdown.page(SEND, "1/s")
