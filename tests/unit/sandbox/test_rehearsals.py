"""The table of rehearsals: it has every answer, and docs/rehearsing.md has the table."""

from pathlib import Path

from app.errors import ServiceError
from app.sandbox.rehearsals import MISBEHAVIOURS, REHEARSALS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "rehearsing.md").read_text()
# What they take is not to be had, or not on this operation; the document says why.
NOT_REHEARSED = {"AUTH_UNAVAILABLE", "INTERNAL_ERROR", "NOT_FOUND"}


def every_code(kind: type[ServiceError] = ServiceError) -> set[str]:
    """The codes of all failures, whatever their depth in the tree."""
    own = {kind.code} if hasattr(kind, "code") else set()
    return own.union(*(every_code(child) for child in kind.__subclasses__()))


def test_every_code_can_be_rehearsed() -> None:
    """But for those of which the document says why not."""
    rehearsed = {row.answer.split()[-1] for row in REHEARSALS} - {"sent"}
    assert rehearsed | NOT_REHEARSED == every_code()
    assert not rehearsed & NOT_REHEARSED
    assert [code for code in sorted(NOT_REHEARSED) if f"`{code}`" not in DOCUMENT] == []


def test_every_misbehaviour_is_in_the_table() -> None:
    """No conversation misbehaves without saying so."""
    assert {row.call.conversation for row in REHEARSALS} >= set(MISBEHAVIOURS)


def test_the_document_has_the_table() -> None:
    """Its rows are what `python -m app.sandbox rehearsals` prints."""
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    assert rows == [row.row for row in REHEARSALS]
