"""Tests can be read by themselves: each says which rule it holds, and none stands on another."""

import ast

from tests.environs import ROOT

FILES = {
    str(file.relative_to(ROOT / "tests")): ast.parse(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "tests").rglob("*.py"))
}
TESTS = {name: tree for name, tree in FILES.items() if name.rpartition("/")[2].startswith("test_")}


def test_every_test_states_its_rule() -> None:
    """In its docstring, in sentences; and its file says what they have in common."""
    said = {name: ast.get_docstring(tree) for name, tree in TESTS.items()}
    for name, tree in TESTS.items():
        tests = [it for it in tree.body if isinstance(it, ast.FunctionDef) and it.name.startswith("test_")]
        said |= {f"{name}::{test.name}": ast.get_docstring(test) for test in tests}
    assert [name for name, rule in said.items() if not (rule or "").endswith(".")] == []


def test_nothing_is_imported_from_a_test_file() -> None:
    """What several tests need stands beside them: whoever changes a test breaks no other."""
    sources = {
        (name, it.module or "")
        for name, tree in FILES.items()
        for it in ast.walk(tree)
        if isinstance(it, ast.ImportFrom)
    }
    assert [(name, source) for name, source in sources if source.rpartition(".")[2].startswith("test_")] == []
