"""What the launcher decides before it starts anything."""

import socket
from dataclasses import fields
from pathlib import Path

import pytest

from app.sandbox.launcher import environment, held, settings, told
from config import store_urls
from config.settings import Settings


@pytest.mark.parametrize("name", [field.name.upper() for field in fields(Settings)])
def test_no_setting_of_the_developers_own_reaches_the_children(name: str) -> None:
    """Every setting of the service, and its _FILE, is the sandbox's or the default."""
    own = {name: "stray", f"{name}_FILE": "stray", "PATH": "/bin"}
    assert environment(own, {"BIND": "ours"}) == {"PATH": "/bin", "BIND": "ours"}


def test_no_option_of_gunicorn_reaches_the_children() -> None:
    """GUNICORN_CMD_ARGS would bind elsewhere."""
    assert environment({"GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1"}, {}) == {}


def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    """Sentences, whatever bytes are in them, once each; nothing of the log's own lines."""
    (tmp_path / "log").write_bytes(b'{"event":"a"}\nGET /v1: why\n\n{"event":"b"}\n  how \xff\nGET /v1: why\n')
    assert told(tmp_path / "log") == ["GET /v1: why", "  how \ufffd"]


def test_the_state_lies_beside_the_key(tmp_path: Path) -> None:
    """Whatever the folder is called: a path in STORE_URL is percent-encoded."""
    key = tmp_path / "50%25 of?#" / "sandbox-key"
    assert store_urls.parse(settings(key, 1, 2)["STORE_URL"]).known == ((str(key.with_name("state.sqlite3")), 0),)


@pytest.mark.enable_socket
def test_the_port_is_nobody_elses_while_others_are_chosen() -> None:
    """Else the system might choose the same for the stand-ins or the metrics, and the service could not start."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with held(port), pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port))
    socket.create_server(("127.0.0.1", port)).close()
