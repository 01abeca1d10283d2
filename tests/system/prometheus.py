"""Prometheus, with the rules of docs/operating, as a process of its own that watches instances of the service."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest

from tests.environs import ROOT
from tests.system.clients import Answer, Connection, Request
from tests.system.processes import ReservedPort, await_until, end

SHIPPED = ROOT / "docs" / "operating"
RULES = SHIPPED / "alerts.yml"


def require(program: str = "promtool") -> str:
    """Skip a test where Prometheus is not installed; fail it where REQUIRE_PROMTOOL says that it must be."""
    found = shutil.which(program)
    if found is None:
        assert not os.environ.get("REQUIRE_PROMTOOL"), f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    return found


def promtool(*arguments: str, given: str = "") -> str:
    """What promtool says to this; fails where it finds something wrong."""
    told = subprocess.run(
        [require(), *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout + told.stderr


def scrape_config() -> str:
    """What docs/operating/metrics.md has Prometheus do."""
    (found,) = re.findall(r"```yaml\n(.*?)```", (SHIPPED / "metrics.md").read_text(), re.DOTALL)
    return str(found)


def hurried(text: str) -> str:
    """The same with seconds for minutes, wherever PromQL or a rule gives a time."""
    return re.sub(r"(?<=[\[ ])(\d+)m(?=[])\n])", r"\1s", text)


class Prometheus:
    """Prometheus, for one `with` block, that looks at these ports of loopback once a second.

    Its rules are the shipped ones, hurried. What it writes stays below `folder`.
    """

    def __init__(self, folder: Path, instances: Sequence[int]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._reserved = ReservedPort()
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in instances)
        config = scrape_config().replace('"127.0.0.1:9091"', targets).replace(" 15s", " 1s")
        (folder / "prometheus.yml").write_text(config)
        (folder / "alerts.yml").write_text(hurried(RULES.read_text()))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        found = shutil.which("prometheus")
        assert found is not None
        options = {
            "config.file": self.folder / "prometheus.yml",
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": f"127.0.0.1:{self._reserved.number}",
            "log.level": "warn",
        }
        command = [found, *(f"--{name}={value}" for name, value in options.items())]
        with (self.folder / "log").open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            await_until(self._is_up, lambda: f"not up:\n{self.log}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        try:
            end(self._process)
        finally:
            self._reserved.__exit__()

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What PromQL finds now: labels (`metric`) and a `value` each."""
        answer = self._get(f"/api/v1/query?query={quote(expression)}")
        assert answer.status == 200, answer.body
        return list(answer.document["data"]["result"])

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return _names(self.ask('ALERTS{alertstate="firing"}'))

    def fired(self, seconds: int) -> set[str]:
        """The alerts that fire or have fired within so many seconds."""
        return _names(self.ask(f'max_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])'))

    def _get(self, target: str) -> Answer:
        with Connection(self._reserved.number) as connection:
            return connection.ask(Request("GET", target))

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        if self._reserved.refuses() or self._get("/-/ready").status != 200:
            return False
        return bool(self.ask("up == 1"))


def _names(series: Sequence[dict[str, Any]]) -> set[str]:
    return {one["metric"]["alertname"] for one in series}
