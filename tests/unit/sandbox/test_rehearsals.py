"""The table of rehearsals: it has every answer, and docs/rehearsing.md has the table."""

from app.errors import every_error
from app.sandbox.rehearsals import MISBEHAVIOURS, REHEARSALS
from tests.environs import ROOT

DOCUMENT = (ROOT / "docs" / "rehearsing.md").read_text()
# What they take is not available here, or not on this operation; the page says why.
NOT_REHEARSED = {"AUTH_UNAVAILABLE", "INTERNAL_ERROR", "INVALID_ID", "NOT_FOUND"}


def test_every_code_can_be_rehearsed() -> None:
    """But for those of which the document says why not."""
    rehearsed = {row.answer.split()[-1] for row in REHEARSALS} - {"sent"}
    assert rehearsed | NOT_REHEARSED == {error.code for error in every_error()}
    assert not rehearsed & NOT_REHEARSED
    assert [code for code in sorted(NOT_REHEARSED) if f"`{code}`" not in DOCUMENT] == []


def test_every_misbehaviour_is_in_the_table() -> None:
    """No conversation misbehaves without saying so."""
    assert {row.call.conversation for row in REHEARSALS} >= set(MISBEHAVIOURS)


def test_the_document_has_the_table() -> None:
    """Its rows are what `python -m app.sandbox rehearsals` prints."""
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
    assert rows == [row.row for row in REHEARSALS]
