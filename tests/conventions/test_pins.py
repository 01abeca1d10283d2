"""What is installed is what was pinned, and an audit of it is believed only if there was one."""

import json
import re
from typing import Any

import pytest

from tests.conventions.audit import problems
from tests.environs import ROOT

PIN = re.compile(r"[a-z0-9.\[\]-]+==\S+( ; .+)?(\s+--hash=sha256:[0-9a-f]{64})+")
CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
SKIPPED = {
    "name": "jinja2",
    "skip_reason": "Dependency not found on PyPI and could not be audited: jinja2 (3.1.6)",
}
VULNERABLE = {
    "name": "urllib3",
    "version": "2.6.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.7.0"], "aliases": [], "description": "…"}],
}


def pins(name: str) -> list[str]:
    """The requirements in this file, each with its continued lines."""
    return (ROOT / name).read_text().replace("\\\n", "").splitlines()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    """Nothing else may be in the file: pip then refuses whatever is not this very archive."""
    assert [pin for pin in pins(name) if not PIN.fullmatch(pin)] == []


def test_what_is_tested_is_what_runs() -> None:
    """Every pin of the service is a pin of its tests."""
    assert set(pins("requirements.txt")) <= set(pins("requirements-dev.txt"))


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([CLEAN], []),
        ([CLEAN, SKIPPED], ["jinja2: not looked up"]),
        ([SKIPPED, VULNERABLE], ["jinja2: not looked up", "urllib3 2.6.0: PYSEC-2026-1, mended in ['2.7.0']"]),
        ([], ["no package"]),
    ],
)
def test_an_audit_that_looked_nothing_up_has_failed(packages: list[dict[str, Any]], expected: list[str]) -> None:
    """Clean, skipped, vulnerable and empty, in the forms that pip-audit gives them."""
    assert problems(json.dumps({"dependencies": packages, "fixes": []})) == expected


@pytest.mark.parametrize("report", ["", "Traceback (most recent call last):", "[]", "{}", "null"])
def test_an_audit_without_a_report_has_failed(report: str) -> None:
    """Such as one whose service could not be reached."""
    assert problems(report) == ["pip-audit gave no report"]
