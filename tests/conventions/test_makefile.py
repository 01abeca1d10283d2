"""The Makefile's targets: the documents name no other, and installing destroys nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environs import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
NAMED = re.compile(r"(?:^|`)(?:[A-Z]+=\S+ )?make ([a-z]+)", re.MULTILINE)


def make(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """What make does there, to its end, in the language of the test."""
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    return subprocess.run(
        ["make", *arguments],  # noqa: S607 - whichever the tester has
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What there is of a fresh clone for make to install from."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_every_target_that_a_document_names_is_listed() -> None:
    """`make help` has it, with what it is for."""
    listed = set(re.findall(r"^  make ([a-z]+) +\S", make(ROOT, "help").stdout, re.MULTILINE))
    named = {name for page in PAGES for name in NAMED.findall(page.read_text(encoding="utf-8"))}
    assert {"run", "test", "check"} <= named <= listed


def test_an_environment_that_is_a_link_is_not_emptied(tree: Path) -> None:
    """It leads to what belongs to another tree: nothing is installed, and the message says what to do."""
    (tree / "another").mkdir()
    (tree / "another" / "kept").touch()
    (tree / ".venv").symlink_to("another")
    done = make(tree, "install")
    assert (done.returncode, "remove the link first" in done.stdout) == (2, True)
    assert [file.name for file in (tree / "another").iterdir()] == ["kept"]


def test_a_python_that_is_too_old_installs_nothing(tree: Path) -> None:
    """The message says which is needed and how to name one."""
    old = tree / "python-of-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make(tree, "install", f"PYTHON={old}")
    assert (done.returncode, (tree / ".venv").exists()) == (2, False)
    assert "Python 3.11 or newer is needed: make PYTHON=" in done.stdout


@pytest.mark.parametrize("target", ["run", "send", "curls"])
def test_ctrl_c_while_it_is_loaded_prints_no_traceback(tree: Path, target: str) -> None:
    """Loading takes half a second, in which nothing is running yet: all ends, and nothing else is said."""
    (tree / ".venv" / "bin").mkdir(parents=True)
    (tree / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tree / ".venv" / ".installed").touch()
    (tree / "app").mkdir()
    (tree / "app" / "__init__.py").write_text("import signal\nopen('loading', 'w').close()\nsignal.pause()\n")
    os.mkfifo(tree / "loading")
    with subprocess.Popen(
        ["make", target],  # noqa: S607 - whichever the tester has
        cwd=tree,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        (tree / "loading").read_text()
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    assert [line for line in told.splitlines() if not line.startswith("make: ")] == []
