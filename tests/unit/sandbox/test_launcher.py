"""What the launcher decides before it starts anything."""

from dataclasses import fields

import pytest

from app.sandbox.launcher import environment
from config.settings import Settings


@pytest.mark.parametrize("name", [field.name.upper() for field in fields(Settings)])
def test_no_setting_of_the_developers_own_reaches_the_children(name: str) -> None:
    """Every setting of the service, and its _FILE, is the sandbox's or the default."""
    own = {name: "stray", f"{name}_FILE": "stray", "PATH": "/bin"}
    assert environment(own, {"BIND": "ours"}) == {"PATH": "/bin", "BIND": "ours"}


def test_no_option_of_gunicorn_reaches_the_children() -> None:
    """GUNICORN_CMD_ARGS would bind elsewhere."""
    assert environment({"GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1"}, {}) == {}
