"""A decorator that cannot mean what is written says so where it stands."""

from collections.abc import Callable

import pytest

from app.schemas import Answer, Paging
from app.web.bodies import gives, takes
from app.web.declarations import DeclarationError
from app.web.guards import company_scoped
from tests.unit.web.declared import Name


@pytest.mark.parametrize(
    "declare",
    [
        lambda: takes(Name()),  # type: ignore[arg-type]
        lambda: takes(Answer),  # type: ignore[arg-type]
        lambda: takes(lambda account: account),  # type: ignore[arg-type]
        lambda: takes(Paging, location="args"),  # type: ignore[arg-type]
        lambda: gives("Done!", Answer()),  # type: ignore[arg-type]
        lambda: gives("Done!", [Answer]),  # type: ignore[arg-type]
        lambda: gives(Answer, "Done!"),  # type: ignore[arg-type]
        lambda: company_scoped(role="contacts", company_in="path"),  # type: ignore[arg-type]
    ],
)
def test_what_a_decorator_cannot_mean_is_told(declare: Callable[[], object]) -> None:
    """Where it stands, in a sentence with an example."""
    with pytest.raises(DeclarationError, match=r"^@"):
        declare()
