"""Files of metrics outlive their workers: totals go on, and there are never more files than workers at once."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.serving import metric_files
from tests.environs import ROOT
from tests.system.processes import await_until
from tests.unit.serving.metric_files import READER, told, work


def test_totals_go_on_over_workers(tmp_path: Path) -> None:
    """Of ten workers, one after the other, nothing is lost or counted twice; a gauge ends with its worker."""
    for _ in range(10):
        work(tmp_path)
    values = told(tmp_path)
    assert (values["answers_total"], values["seconds_count"], values["seconds_bucket 0.5"]) == (10, 10, 10)
    assert "workers" not in values
    assert sorted(file.name.rpartition("_")[0] for file in tmp_path.glob("*.db")) == ["counter", "histogram"]


def test_files_of_the_living_are_left_alone(tmp_path: Path) -> None:
    """A worker takes over from one that has ended, not from one that runs: this process."""
    mine = tmp_path / f"counter_{os.getpid()}.db"
    mine.write_bytes(bytes(8))
    (tmp_path / f"gauge_livesum_{os.getpid()}.db").write_bytes(bytes(8))
    metric_files.take_over(tmp_path)
    with metric_files.reading(tmp_path) as files:
        assert len(files) == 2
    assert mine.exists()


def test_a_reader_holds_nobody_up(tmp_path: Path) -> None:
    """A listener that stands still costs a new worker a second, and it starts with files of its own."""
    work(tmp_path)
    before = {file.name for file in tmp_path.glob("counter_*")}
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        work(tmp_path)
    after = {file.name for file in tmp_path.glob("counter_*")}
    assert before < after
    assert told(tmp_path)["answers_total"] == 2


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["init", "this"])
def test_processes_of_others_run_as_well(tmp_path: Path, pid: int) -> None:
    """Whoever has the number of an ended worker now keeps its file where it is."""
    (tmp_path / f"counter_{pid}.db").touch()
    metric_files.take_over(tmp_path)
    assert [file.name for file in tmp_path.glob("*.db")] == [f"counter_{pid}.db"]


def test_a_file_that_is_being_made_has_nothing_yet(tmp_path: Path) -> None:
    """prometheus_client makes it and gives it its size in two steps; a reader may come in between."""
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert told(tmp_path) == {}


def test_there_is_room_before_it_is_needed(tmp_path: Path) -> None:
    """A file of holes would end its worker (SIGBUS) when there is no memory for what it writes into one."""
    metric_files.make_room(tmp_path)
    files = list(tmp_path.glob(f"*_{os.getpid()}.db"))
    assert len(files) == 4
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size > 0 for file in files)


MANY = """\
import os, sys
from pathlib import Path
from config.serving import metric_files
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
metric_files.make_room(folder)
before = {file.name: file.stat().st_size for file in folder.glob("*.db")}
from app.web.declarations import Declaration
from app.web.labels import Labels
from app.web.metrics import Metrics
from app.web.declarations import Operation
rules = [f"/v1/an-operation-of-many/<company_id>/<conversation_id>/{number}" for number in range(40)]
metrics = Metrics()
metrics.begin(Operation("POST", rule, "tag.view", (), print, Declaration(sends=True)) for rule in rules)
stages = dict.fromkeys(("auth", "limit", "account", "upstream", "total"), 0.1)
for rule in rules:
    labels = Labels("POST", rule, 200, None, "sent", "accepted", "admitted", "shared", "asked", "new")
    metrics.count(labels, stages)
assert before == {file.name: file.stat().st_size for file in folder.glob("*.db")}, before
"""


def test_there_is_room_for_many_operations(tmp_path: Path) -> None:
    """What prometheus_client adds to a file is a hole again; the names of forty operations need no more."""
    environ = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", MANY], cwd=ROOT, env=environ, check=True)


def test_names_that_are_no_workers_are_passed_over(tmp_path: Path) -> None:
    """They keep no worker from starting."""
    (tmp_path / "notes.db").touch()
    metric_files.take_over(tmp_path)
    with metric_files.reading(tmp_path) as files:
        assert files == []


def test_a_reader_waits_for_whoever_renames(tmp_path: Path) -> None:
    """As long as it takes, in the kernel (proc_locks(5)): a total that is read halfway would fall."""
    lock = (tmp_path / "lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], cwd=ROOT) as reader, lock:
        waiting = f"-> FLOCK  ADVISORY  READ {reader.pid} "
        await_until(lambda: waiting in Path("/proc/locks").read_text(), lambda: "it does not wait", 10)
    assert reader.returncode == 0


def test_who_has_files_takes_no_others(tmp_path: Path) -> None:
    """What this process has counted already would be written over."""
    mine, ended = tmp_path / f"counter_{os.getpid()}.db", tmp_path / "counter_4194304.db"
    mine.write_bytes(b"mine")
    ended.write_bytes(b"ended")
    metric_files.take_over(tmp_path)
    assert (mine.read_bytes(), ended.read_bytes()) == (b"mine", b"ended")
