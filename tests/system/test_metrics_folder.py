"""The folder of the metrics is gone or not to be had: the service serves all the same."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.conftest import Serve
from tests.system.processes import await_until
from tests.system.scrapes import folder, scrape, send, sent, tell
from tests.system.servers import gunicorn

pytestmark = pytest.mark.system

# An application that is loaded when its folder has just been removed, the first time.
UNLUCKY = """\
import os, shutil
from pathlib import Path
first = Path(__file__).parent / "first"
if not first.exists():
    first.touch()
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"])
from wsgi import app
"""


def clear(files: Path) -> None:
    """Remove what is in the folder, and not the folder."""
    for file in files.iterdir():
        file.unlink()


@pytest.mark.parametrize("clean_up", [shutil.rmtree, clear], ids=["with the folder", "without the folder"])
def test_who_lost_the_files_serves_all_the_same(serve: Serve, clean_up: Callable[[Path], None]) -> None:
    """Something cleaned up where they lie: the instance stays ready, and SIGHUP makes them anew."""
    server = serve()
    files = folder(server)
    assert tell(server, "/health/ready").document["workers"] == 2
    clean_up(files)
    assert tell(server, "/health/ready").status == 200
    assert scrape(server).total("draining") == 0
    send(server, 1)
    server.renew()
    assert folder(server) == files
    send(server, 3)
    assert sent(server) == 3
    await_until(
        lambda: tell(server, "/health/ready").document["workers"] == 2, lambda: f"not two workers:\n{server.log}"
    )


def test_a_worker_that_loses_the_folder_as_it_starts_is_not_the_last(serve: Serve, tmp_path: Path) -> None:
    """The next one makes it anew; gunicorn takes one that cannot start for a reason to end."""
    (tmp_path / "unlucky.py").write_text(UNLUCKY)
    server = serve(gunicorn(application="unlucky:app"), WEB_CONCURRENCY="1", PYTHONPATH=str(tmp_path))
    assert len(server.events("Booting worker")) == 2
    send(server, 1)
    assert sent(server) == 1


def test_who_cannot_have_the_folder_counts_for_itself(serve: Serve) -> None:
    """Something else is in its place: a worker that starts says so, and serves."""
    server = serve()
    files = folder(server)
    shutil.rmtree(files)
    files.touch()
    try:
        (killed, _) = server.pids()
        os.kill(killed, signal.SIGKILL)
        server.await_events("metrics not shared")
        await_until(lambda: len(server.pids()) == 2, lambda: f"not two workers:\n{server.log}")
        send(server, 3)
    finally:
        files.unlink()
