"""Calls as lines to paste."""

import shlex
from pathlib import Path

import pytest

from app.sandbox.calls import FRESH_KEY, Call, SandboxError, as_curl, running_port


def test_a_line_survives_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, dollars and line ends in a text reach the body as they are, in one line."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    line = as_curl(Call(text="it's $HOME\n“ok”"), tmp_path, 8000)
    words = shlex.split(line)
    assert "\n" not in line
    ids = "a1b2c3d4-e5f6-7890-abcd-ef1234567890/b2c3d4e5-f6a7-8901-bcde-f12345678901"
    assert words[:3] == ["curl", "-i", f"http://127.0.0.1:8000/v1/send-message/{ids}"]
    assert words[-2:] == ["-d", r'{"message_body": "it' + r"'s $HOME\n\u201cok\u201d" + '"}']


def test_a_line_passes_a_proxy_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy cannot reach this machine's loopback."""
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    assert as_curl(Call(), tmp_path, 8000).startswith("curl -i --noproxy '*' http://127.0.0.1:8000/")


def test_each_line_has_a_key_of_its_own(tmp_path: Path) -> None:
    """A line printed twice is two messages; one pasted twice is one."""
    call = Call(options=FRESH_KEY)
    lines = {as_curl(call, tmp_path, 8000) for _ in range(2)}
    assert len(lines) == 2
    assert all("-H 'Idempotency-Key: " in line for line in lines)


def test_nothing_is_found_where_nothing_runs(tmp_path: Path) -> None:
    """A folder without a running service says so."""
    with pytest.raises(SandboxError):
        running_port(tmp_path)
