"""Whoever reads a line of the log finds its event in the operators' pages."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.environs import ROOT
from tests.system.prometheus import SHIPPED

WRITE = {"warning", "error", "exception", "log", "tell", "_tell", "FailureLog"}
PAGES = " ".join(" ".join(page.read_text().split()) for page in SHIPPED.glob("*.md"))


def events() -> Iterator[str]:
    """What the service writes at WARNING or ERROR, up to where it speaks of the single case."""
    for source in [*(ROOT / "app").rglob("*.py"), *(ROOT / "config").rglob("*.py")]:
        for call in ast.walk(ast.parse(source.read_text())):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in WRITE:
                yield from filter(None, map(_beginning, call.args[:2]))


def _beginning(argument: ast.expr) -> str:
    words = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
    text = words.value if isinstance(words, ast.Constant) and isinstance(words.value, str) else ""
    found = re.match(r"[a-z]+(?: [a-z]+)+", text)
    return found[0] if found else ""


def test_they_are_found() -> None:
    """In each way that a line is written."""
    assert {"store lost", "unforeseen exception", "no request", "worker not started"} <= set(events())


@pytest.mark.parametrize("event", sorted(set(events())))
def test_every_event_is_in_the_pages(event: str) -> None:
    """With what it means."""
    assert f"`{event}" in PAGES
