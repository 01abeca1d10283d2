"""What docs/operating ships fits what the service does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER  # type: ignore[import-untyped]

from app.web.declarations import Operation
from config.documents import example
from tests.conventions.operations import OPERATIONS
from tests.environs import REQUIRED, ROOT, start

SHIPPED = ROOT / "docs" / "operating"


def number(pattern: str, text: str) -> float:
    """The one number that the pattern finds."""
    (found,) = re.findall(pattern, text, re.MULTILINE)
    return float(found)


@pytest.mark.system
def test_whoever_waits_for_the_service_waits_long_enough() -> None:
    """Longer than it takes to stop: systemd before it kills, and nginx before it reports a loss."""
    told = start(["-m", "gunicorn", "--print-config", "-c", "config/gunicorn.py", "wsgi:app"], REQUIRED).stdout
    grace = number(r"^graceful_timeout += (\d+)$", told)
    assert number(r"^TimeoutStopSec=(\d+)$", (SHIPPED / "send-message.service").read_text()) > grace
    assert number(r"^ *proxy_read_timeout (\d+)s;$", (SHIPPED / "nginx.conf").read_text()) > grace + 20


def test_nginx_lets_go_of_connections_before_the_service_does() -> None:
    """A worker that stops keeps idle ones for a while; a request on one that is being closed would be lost."""
    assert number(r"^ *keepalive_timeout (\d+)s;$", (SHIPPED / "nginx.conf").read_text()) < STOP_KEEPALIVE_LINGER


@pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.sends], ids=str)
def test_nginx_says_what_became_of_a_message(operation: Operation) -> None:
    """A 502 without an outcome would be an unknown one, although nginx knows that it reached no instance."""
    path = operation.rule.partition("<")[0]
    block = rf"location {re.escape(path)} {{[^}}]* error_page 502 504 = @no_answer;"
    site = (SHIPPED / "nginx.conf").read_text()
    assert re.search(block, site), f"give {path} a location of its own in nginx.conf."


def test_the_unit_leaves_no_core() -> None:
    """All secrets are in the memory of a worker, and messages; systemd would keep a core of it for two weeks."""
    assert number(r"^LimitCORE=(\d+)$", (SHIPPED / "send-message.service").read_text()) == 0


def test_the_unit_sets_what_is_a_setting() -> None:
    """Every variable that it gives is read by the service."""
    known = {line.removeprefix("# ").partition("=")[0] for line in example() if "=" in line}
    unit = (SHIPPED / "send-message.service").read_text()
    given = {name.removesuffix("_FILE") for name in re.findall(r"^Environment=(\w+)=", unit, re.MULTILINE)}
    assert given
    assert given <= known


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """It knows every directive, and complains of nothing but the programs that are not in place here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # systemd splits commands at spaces, which the path of a checkout may have.
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("send-message.socket", "send-message.service"):
        text = (SHIPPED / name).read_text().replace("/opt/send-message/.venv/bin", str(tmp_path / "bin"))
        (tmp_path / name).write_text(text)
    verified = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "send-message.service")],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
