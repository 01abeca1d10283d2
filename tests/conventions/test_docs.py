"""What the documentation says is what the code has."""

import re
from pathlib import Path

import pytest

from app import errors
from app.errors import ServiceError, every_error
from config import documents
from tests.environs import ROOT

DOCS = ROOT / "docs"


def test_the_table_of_settings_is_fresh() -> None:
    """docs/settings.md is what `python -m config docs` prints, .env.example what `python -m config env` does."""
    assert "".join(f"{line}\n" for line in documents.page()) == (DOCS / "settings.md").read_text()
    assert "".join(f"{line}\n" for line in documents.example()) == (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("error", every_error())
def test_every_failure_is_documented(error: type[ServiceError]) -> None:
    """Its code stands in the guide for callers, its class in the tree of app/errors.py."""
    assert f"`{error.code}`" in (DOCS / "calling.md").read_text()
    assert f" {error.__name__}" in str(errors.__doc__)


@pytest.mark.parametrize("error", every_error())
def test_every_failure_is_whole(error: type[ServiceError]) -> None:
    """A status, a code and a sentence of its own or its family's; a Retry-After only where nothing was sent."""
    assert error.status in {400, 401, 403, 404, 405, 429, 500}
    assert error.code == error.code.upper()
    assert error.sentence.strip()
    assert error.outcome == "not_sent" or error.retry_after is None
    assert error.status != 429 or (error.retry_after or 0) >= 1


def test_codes_are_unique() -> None:
    """A code names one failure."""
    codes = [error.code for error in every_error()]
    assert len(set(codes)) == len(codes)


# By whoever follows docs/adding-a-route.md.
YET_TO_BE_WRITTEN = {"app/chat/contacts.py", "app/routes/contacts.py"}
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def links(page: Path) -> set[Path]:
    """The files of the repository that a page links to."""
    found = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    return {(page.parent / link).resolve() for link in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """To a file or a folder that is there."""
    assert [str(link) for link in links(page) if not link.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_modules_are_where_a_page_says(page: Path) -> None:
    """Whoever is told to read one finds it."""
    named = set(re.findall(r"`((?:app|config)/[\w/]+\.py)`", page.read_text()))
    assert {name for name in named if not (ROOT / name).exists()} <= YET_TO_BE_WRITTEN


MODULES = [
    it for place in ("app", "app/web", "config", "config/serving") for it in (ROOT / place).glob("[!_]*.py")
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.relative_to(ROOT).as_posix())
def test_every_module_is_found(module: Path) -> None:
    """docs/inside.md says of each what it is for; those of other packages are found where theirs is."""
    assert re.search(rf"\b{module.stem}\b", (DOCS / "inside.md").read_text())


def test_every_operating_page_is_found() -> None:
    """From the first of them, with what they ship."""
    folder = DOCS / "operating"
    assert links(folder / "README.md") >= set(folder.iterdir()) - {folder / "README.md"}
