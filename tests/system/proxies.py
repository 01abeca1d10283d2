"""nginx in front of instances of the service, with the site that docs/operating has, as a process of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.environs import ROOT
from tests.system.processes import ReservedPort, accepts, await_until, children, end, is_running

SITE = ROOT / "docs" / "operating" / "nginx.conf"

_MAIN = """\
daemon off;
{user}
worker_processes 2;
pid pid;
error_log error.log notice;
events {{}}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


def program() -> str | None:
    """The nginx of this machine; Debian has it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def require() -> None:
    """Skip a test where there is no nginx; fail it where REQUIRE_NGINX says that there must be one."""
    if program() is None:
        assert not os.environ.get("REQUIRE_NGINX"), "nginx is not installed"
        pytest.skip("nginx is not installed")


class Nginx:
    """nginx, for one `with` block, in front of the instances on these ports of loopback.

    What it writes stays below `folder`.
    """

    def __init__(self, folder: Path, instances: Sequence[int]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._instances = instances
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        found = program()
        assert found is not None
        # As root it would give its workers to a user who cannot enter the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(_MAIN.format(user=user))
        self._write_site(())
        command = [found, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        await_until(self._is_up, lambda: f"not up:\n{self.errors}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        try:
            end(self._process)
        finally:
            self._reserved.__exit__()

    def take_out(self, *instances: int) -> None:
        """Mark these as down, and those not named as there; returns when nothing more goes to them.

        That is when no worker of before is left: one that still reads a body would send it there.
        """
        assert self._process is not None
        old = set(children(self._process.pid))
        self._write_site(instances)
        self._process.send_signal(signal.SIGHUP)
        await_until(lambda: self._is_up() and not any(map(is_running, old)), lambda: f"as before:\n{self.errors}")

    @property
    def errors(self) -> str:
        """Its error log."""
        return (self.folder / "error.log").read_text()

    def lines(self) -> list[dict[str, Any]]:
        """Its access log; a line is written when its answer has gone out."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def _write_site(self, down: Sequence[int]) -> None:
        servers = [f"server 127.0.0.1:{port} max_fails=0{' down' * (port in down)};" for port in self._instances]
        site = _replaced(r"listen 80;", f"listen 127.0.0.1:{self.port};", SITE.read_text())
        site = _replaced(r"access_log /var/log/nginx/send-message.log", "access_log access.log", site)
        first, second = "server 127.0.0.1:8000 max_fails=0;", "server 127.0.0.1:8001 max_fails=0;"
        site = _replaced(re.escape(first), " ".join(servers), _replaced(re.escape(second), "", site))
        (self.folder / "site.conf").write_text(site)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.errors
        return sum(accepts(pid, self.port) for pid in children(self._process.pid)) == 2


def _replaced(pattern: str, text: str, site: str) -> str:
    changed, times = re.subn(pattern, text, site)
    assert times == 1, pattern
    return changed
