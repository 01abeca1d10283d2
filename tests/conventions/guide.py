"""docs/adding-a-route.md, followed in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ENVIRON
from tests.environs import ROOT

GUIDE = (ROOT / "docs" / "adding-a-route.md").read_text(encoding="utf-8")
# The name of a file, how it is given, and what is in it or changed about it.
BLOCKS = re.findall(r"^`(app/\S+)`\n\n```(python|diff)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
ROUTE, CLIENT = "app/routes/contacts.py", "app/chat/contacts.py"


class Tree:
    """A copy of what routes and their tests stand on, with the guide followed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        passed_over = shutil.ignore_patterns("__pycache__", "test_guide.py")
        for name in ("app", "config", "tests/conventions", "tests/routes"):
            shutil.copytree(ROOT / name, root / name, ignore=passed_over)
        for name in ("setup.cfg", "ruff.toml", "wsgi.py", *(f"tests/{it.name}" for it in ROOT.glob("tests/*.py"))):
            shutil.copy(ROOT / name, root / name)
        for name, kind, text in BLOCKS:
            if kind == "python":
                (root / name).write_text(text, encoding="utf-8")
            else:
                self.apply(f"--- a/{name}\n+++ b/{name}\n{text}")

    def apply(self, change: str) -> None:
        """Make a change, unless it is there: where this tag has been built, and with more beside it, it may be."""
        if self.start("git", "apply", "-C1", "--reverse", "--check", "-", given=change).returncode:
            self.run("git", "apply", "-C1", "-", given=change)

    def change(self, old: str, new: str, name: str = ROUTE) -> None:
        """Put `new` in place of `old`, which is once in the file of this name."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (self.root / name).write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *command: str, given: str = "", code: int = 0) -> str:
        """All that a command in the copy says; its exit code must be this."""
        done = self.start(*command, given=given)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def start(self, *command: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """A command in the copy, run to its end."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        # The plugins of pytest that are installed take longer than the tests, which need none.
        environ = {**ENVIRON, **kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "GIT_CEILING_DIRECTORIES": "/"}
        return subprocess.run(  # noqa: PLW1510 - its exit code is what is asked about
            command, cwd=self.root, env=environ, input=given, capture_output=True, text=True, timeout=120
        )

    @property
    def cache(self) -> str:
        """What lets mypy in another copy use what it knows of this one: nearly all of it is libraries."""
        return f"--cache-dir={self.root}/.mypy_cache"

    def test(self, *arguments: str, code: int = 0) -> str:
        """What the tests that a route inherits say."""
        names = ("answers", "inputs", "services_behind", "declared")
        inherited = [f"tests/conventions/test_{name}.py" for name in names]
        return self.run(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *inherited, *arguments, code=code
        )
