"""The sandbox's commands: a line to paste, messages sent, and a sentence for what went wrong."""

import json
import shlex
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.sandbox.rehearsals import REHEARSALS
from config.settings import SettingsError
from tests.environs import ROOT
from tests.system.clients import Request, ask
from tests.system.sandbox.launched import COMMAND, Launched, command, free_port, needs_curl, shell

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are followed through /proc and pidfd"),
]


def kept(var: Path, text: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(var / "sandbox.sqlite3")) as connection:
        columns = "message_id, request_id, idempotency_key"
        return connection.execute(f"SELECT {columns} FROM messages WHERE body = ?", [text]).fetchall()  # noqa: S608


@needs_curl
def test_the_printed_line_sends_a_message(running: Launched) -> None:
    """Pasted into a shell it answers 200 with the nine fields, and the message is in the sandbox."""
    (status, *headers), body = shell(running.curl)
    data = json.loads(body)["data"]
    request_id = next(h.split(": ")[1] for h in headers if h.lower().startswith("x-request-id"))
    assert status.split()[1] == "200"
    assert json.loads(body)["message"] == "Message sent successfully!"
    assert sorted(data) == [
        *("author", "body", "conversation_id", "date_created", "is_me", "message_id", "message_type"),
        *("sent_by_id", "sent_by_username"),
    ]
    assert (data["message_id"], request_id) in [row[:2] for row in kept(running.var, data["body"])]


def test_every_address_that_is_told_is_there(running: Launched) -> None:
    """Terminals make links of them: none leads to a 404."""
    told = [address.rstrip(";") for address in " ".join(running.lines).split() if address.startswith("http://")]
    pages = [urlsplit(address) for address in told if "/v1/send-message/" not in address]
    assert len(pages) == 3
    for page in pages:
        assert ask(page.port or 0, Request("GET", page.path, {"Host": "127.0.0.1"})).status == 200


def test_both_pages_are_told(running: Launched) -> None:
    """The reference with a token, on the service's port, and the inbox, on another: both are there."""
    reference, inbox = (urlsplit(address) for address in (running.reference, running.inbox))
    assert (reference.port, reference.fragment.partition("=")[0]) == (running.port, "token")
    for address in (reference, inbox):
        assert ask(address.port or 0, Request("GET", address.path, {"Host": "127.0.0.1"})).status == 200


def test_send_shows_what_became_of_the_message(running: Launched) -> None:
    """It exits 0 with status, telling headers and JSON; the message went out under a key."""
    answer = command("send", "--text", "it's “quoted”", "--var", str(running.var))
    head, _, body = answer.stdout.partition("\n\n")
    assert answer.returncode == 0
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert "X-Send-Outcome: sent" in head
    assert "X-RateLimit-Remaining: " in head
    ((message_id, _, key),) = kept(running.var, "it's “quoted”")
    assert json.loads(body)["data"]["message_id"] == message_id
    assert key


def test_send_fails_when_the_message_was_not_sent(running: Launched) -> None:
    """It exits 1 and shows the answer."""
    answer = command("send", "--user", "nora", "--var", str(running.var))
    assert answer.returncode == 1
    assert answer.stdout.startswith("HTTP/1.1 403 ")


def test_curls_prints_a_line_for_each_rehearsal(running: Launched) -> None:
    """A comment that tells the answer, then the line."""
    lines = command("curls", "--var", str(running.var)).stdout.splitlines()
    assert [line.removeprefix("# ") for line in lines if line.startswith("# ")] == [
        row.title for row in REHEARSALS
    ]
    assert len([line for line in lines if line.startswith("curl ")]) == len(REHEARSALS)


def test_a_reader_may_stop_early(running: Launched) -> None:
    """As `head` does: no error is told."""
    words = shlex.join([*COMMAND, "curls", "--var", str(running.var)])
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{words} | true"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_token_can_be_had_by_itself(running: Launched) -> None:
    """For tools other than curl."""
    assert command("token", "--var", str(running.var)).stdout.count(".") == 2


def test_the_key_is_told_to_nobody(running: Launched) -> None:
    """It is in no line, no log and no other file; port and messages are for its owner alone."""
    key = (running.var / "sandbox-key").read_text()
    files = [path for path in running.var.rglob("*") if path.is_file() and path.name != "sandbox-key"]
    assert not [path for path in files if key.encode() in path.read_bytes()]
    assert key not in "".join(running.lines)
    for name in ("sandbox.json", "sandbox.sqlite3", "service.log"):
        assert stat.S_IMODE((running.var / name).stat().st_mode) == 0o600


def test_a_taken_port_is_told_in_a_sentence(running: Launched, tmp_path: Path) -> None:
    """It exits 1, and nothing is started."""
    answer = command("run", "--port", str(running.port), "--var", str(tmp_path))
    assert answer.returncode == 1
    assert answer.stdout.startswith(f"Port {running.port} cannot be used (Address already in use)")
    assert answer.stdout.count("\n") == 1
    assert answer.stderr == ""
    assert not (tmp_path / "service.log").exists()


def test_without_a_service_the_commands_say_so(tmp_path: Path) -> None:
    """They exit 1 with a sentence, also when a launcher was killed before it could tidy up."""
    (tmp_path / "sandbox.json").write_text(json.dumps({"port": free_port()}))
    for words in (("send",), ("curls",)):
        answer = command(*words, "--var", str(tmp_path))
        assert answer.returncode == 1
        assert answer.stdout.startswith("The service is not running here")
        assert answer.stderr == ""


def test_a_service_that_cannot_start_is_told(tmp_path: Path) -> None:
    """Here the key is too short for it: exit 1, a sentence, and its own words, which are in the log."""
    (tmp_path / "sandbox-key").write_text("short")
    answer = command("run", "--port", str(free_port()), "--var", str(tmp_path))
    assert answer.returncode == 1
    assert answer.stdout.startswith("The service ended by itself (exit ")
    ended, *why = answer.stdout.splitlines()
    assert ended.endswith(f"see {tmp_path}/service.log.")
    assert why == [SettingsError.BEGINNING, "  JWT_SECRET: Needs at least 32 bytes."]
    assert "JWT_SECRET" in (tmp_path / "service.log").read_text()


def test_a_folder_has_one_sandbox(running: Launched) -> None:
    """A second one is told how to be one, and the first goes on: its log, and whom `send` asks."""
    before = (running.var / "service.log").stat().st_size
    for port in (free_port(), running.port):
        second = command("run", "--port", str(port), "--var", str(running.var))
        assert second.returncode == 1
        assert second.stdout.endswith(" -m app.sandbox run --port 8123 --var var2\n")
    assert (running.var / "service.log").stat().st_size >= before
    assert command("send", "--var", str(running.var)).returncode == 0


@pytest.mark.parametrize(
    "option",
    [
        ("--port", "99999"),
        ("--port", "000008000"),
        ("--port", "0"),
        ("--port", "8000x"),
        ("--set", "THREDS=3"),
        ("--set", "THREADS"),
    ],
)
def test_what_cannot_be_meant_is_told(option: tuple[str, str], tmp_path: Path) -> None:
    """In a line or two, and nothing is started."""
    answer = command("run", "--var", str(tmp_path / "var"), *option)
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].count(option[1]) == 1
    assert len(answer.stderr) < 500
    assert not (tmp_path / "var").exists()
