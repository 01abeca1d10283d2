"""How many workers there should be: the master writes it, the listener publishes it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from config.serving.companion import Companion
from config.serving.observer import Observer


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "wanted"


@pytest.fixture
def master(wanted: Path) -> SimpleNamespace:
    """It manages nothing, and wants two workers."""
    server = SimpleNamespace(log=Mock(), manage_workers=Mock(), stop=Mock(), num_workers=2)
    Companion(server, "127.0.0.1:0", f"{wanted.parent}").attach()
    return server


def turn(master: SimpleNamespace) -> None:
    """As of the master's loop, without a listener."""
    companion = master.manage_workers.func.__self__
    companion._workers_are_started = False
    master.manage_workers()


def published(wanted: Path) -> list[str]:
    _, _, page = Observer(wanted.parent).metrics("")
    return [line for line in page.decode().splitlines() if line.startswith("send_message_workers_wanted ")]


def lose_the_folder(wanted: Path) -> None:
    shutil.rmtree(wanted.parent)
    wanted.parent.mkdir()


@pytest.mark.parametrize(
    "lose",
    [Path.touch, Path.unlink, lambda wanted: wanted.write_bytes(b"\xff"), lose_the_folder],
    ids=["not lost", "removed", "written over", "removed with its folder"],
)
def test_it_is_published(master: SimpleNamespace, wanted: Path, lose: Callable[[Path], object]) -> None:
    """Each turn of the master's loop tells a number that has changed or was lost."""
    turn(master)
    assert published(wanted) == ["send_message_workers_wanted 2.0"]
    lose(wanted)
    turn(master)
    assert published(wanted) == ["send_message_workers_wanted 2.0"]
    master.num_workers = 3
    turn(master)
    assert published(wanted) == ["send_message_workers_wanted 3.0"]


def test_it_is_not_written_again(master: SimpleNamespace, wanted: Path) -> None:
    """Meanwhile the listener could find the file empty."""
    turn(master)
    os.utime(wanted, (0, 0))
    turn(master)
    assert wanted.stat().st_mtime == 0


def test_one_that_is_not_known_is_not_published(wanted: Path) -> None:
    """There was no memory for it; all other metrics are there."""
    wanted.touch()
    assert published(wanted) == []


def test_where_it_cannot_be_told_the_master_goes_on(master: SimpleNamespace, wanted: Path) -> None:
    """Its folder has been removed."""
    wanted.parent.rmdir()
    turn(master)
    assert published(wanted) == []
