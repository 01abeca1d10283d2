"""The folder of the metrics is one master's own: made, held, removed and made again by nobody else."""

import atexit
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config.serving import metric_files
from tests.environs import ROOT
from tests.unit.serving.metric_files import told, work


def started() -> "subprocess.Popen[str]":
    """A process that has made its folder, says where, and waits for a line."""
    command = "from config.serving import metric_files; print(metric_files.own_folder(), flush=True); input()"
    return subprocess.Popen(
        [sys.executable, "-c", command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def folder_of(process: "subprocess.Popen[str]") -> Path:
    """Where it says that its folder is."""
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_what_was_left_behind_is_removed() -> None:
    """A folder whose master and workers were all killed goes with the next start; those in use stay."""
    with started() as killed, started() as running:
        left, used = folder_of(killed), folder_of(running)
        killed.kill()
        killed.wait()
        assert (left.exists(), used.exists()) == (True, True)
        with started() as later:
            folder_of(later)
            assert (left.exists(), used.exists()) == (False, True)
            later.communicate("\n")
        running.communicate("\n")
    assert not used.exists()


def test_what_others_put_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a folder of that name first would lead a worker, and who removes it, wherever they like."""
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    assert not any(map(metric_files._is_left_behind, [tmp_path / "link", tmp_path / "file", tmp_path / "gone"]))
    with pytest.raises(NotADirectoryError):
        metric_files.take_over(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert not metric_files._is_left_behind(tmp_path)
    with pytest.raises(PermissionError):
        metric_files.take_over(tmp_path)
    with pytest.raises(PermissionError), metric_files.reading(tmp_path):
        pass


FORKED = """\
import os
from config.serving import metric_files
folder = metric_files.own_folder()
if os.fork():
    os.wait()
    print(os.path.isdir(folder))
"""


def test_a_fork_that_ends_leaves_the_folder_to_its_master() -> None:
    """Workers inherit what their master does at its end."""
    done = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_folder_is_seen_when_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masters that start together would otherwise remove one another's; one that nobody holds is left behind."""
    made = tmp_path / ".metrics-of-send-message-0"
    made.mkdir()
    assert metric_files._is_left_behind(made)
    seen = []

    def rename(before: Path, after: Path) -> Path:
        seen.append((before.name, metric_files._is_left_behind(before)))
        return after

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(atexit, "register", lambda _: None)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(made))
    monkeypatch.setenv(metric_files.VARIABLE, "as before")
    assert metric_files.own_folder.__wrapped__() == str(tmp_path / "metrics-of-send-message-0")
    assert seen == [(made.name, False)]


def test_a_folder_that_is_gone_is_made_again(tmp_path: Path) -> None:
    """By the next worker, for this user alone, and held by it; until then there is nothing to read."""
    folder = tmp_path / "gone"
    with metric_files.reading(folder) as files:
        assert files == []
    work(folder)
    assert told(folder)["answers_total"] == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    assert metric_files._is_left_behind(folder)
    metric_files.take_over(folder)
    assert not metric_files._is_left_behind(folder)
