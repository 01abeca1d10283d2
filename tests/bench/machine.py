"""On what it was measured."""

import platform
import re
import subprocess
import time
from pathlib import Path

from tests.bench.contenders import RIVALS, ROOT

_OURS = "flask gunicorn requests urllib3 pyjwt marshmallow"
_RIVALS = "fastapi uvicorn uvloop httptools pydantic httpx aiohttp redis flask gunicorn requests flask-limiter"


def about() -> dict[str, str]:
    """Machine, versions and date, in words."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{_cores()} cores of {_processor()}, {_memory()} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "service": _pins(ROOT / "requirements.txt", _OURS),
        "rivals": _pins(Path(__file__).parent / "requirements.txt", _RIVALS),
        "rivals_python": _said([str(RIVALS / "python"), "--version"]).removeprefix("Python "),
    }


def _pins(path: Path, names: str) -> str:
    found = dict(re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;]+)", path.read_text(), re.MULTILINE))
    return ", ".join(f"{name} {found[name]}" for name in names.split())


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()


def _cores() -> int:
    return len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))


def _memory() -> int:
    found = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return round(int(found[1]) / 1024**2) if found else 0


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
