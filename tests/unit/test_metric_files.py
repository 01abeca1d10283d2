"""Files of metrics outlive their workers: totals go on, and there are never more files than workers at once."""

import atexit
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config.serving import metric_files
from tests.system.processes import await_until

# A worker: counts once, tells its gauge, and ends.
WORKER = """\
import os, sys
from pathlib import Path
from config.serving import metric_files
metric_files.take_over(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
from prometheus_client import Counter, Gauge, Histogram
Counter("answers", "", ["code"]).labels("none").inc()
Histogram("seconds", "").observe(0.3)
Gauge("workers", "", multiprocess_mode="livesum").set(1)
"""
READER = """\
import sys
import time
from pathlib import Path
from prometheus_client.multiprocess import MultiProcessCollector
from config.serving import metric_files
with metric_files.reading(Path(sys.argv[1])) as files:
    for metric in MultiProcessCollector.merge(files):
        for sample in metric.samples:
            print(sample.name, sample.labels.get("le", ""), sample.value)
"""
ROOT = Path(__file__).resolve().parents[2]


def work(folder: Path) -> None:
    """Let a worker live and end."""
    environ = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", WORKER], cwd=ROOT, env=environ, check=True)


def told(folder: Path) -> dict[str, float]:
    """What the listener would read."""
    command = [sys.executable, "-c", READER, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        name.strip(): float(value) for name, _, value in (row.rpartition(" ") for row in done.stdout.splitlines())
    }


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


@pytest.mark.parametrize("pid", [1, os.getpid()])
def test_processes_of_others_run_as_well(tmp_path: Path, pid: int) -> None:
    """Whoever has the number of an ended worker now keeps its file where it is."""
    (tmp_path / f"counter_{pid}.db").touch()
    metric_files.take_over(tmp_path)
    assert [file.name for file in tmp_path.glob("*.db")] == [f"counter_{pid}.db"]


def test_a_file_that_is_being_made_has_nothing_yet(tmp_path: Path) -> None:
    """prometheus_client makes it and gives it its size in two steps; a reader may come in between."""
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert told(tmp_path) == {}


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
