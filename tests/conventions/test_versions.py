"""The version is said in one place."""

import configparser
import re

from flask.testing import FlaskClient

from app.version import VERSION
from tests.environs import ROOT


def test_everything_that_tells_the_version_tells_this_one(client: FlaskClient) -> None:
    """The package, the newest entry of the changelog, and the service."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: app.version.VERSION"
    assert re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == VERSION
    assert client.get("/v1").json == {"message": f"SalesCaptain API [Service version - {VERSION}]"}


def test_no_other_file_of_the_service_has_it() -> None:
    """A release changes one line of code."""
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "config")
        for path in (ROOT / folder).rglob("*.py")
        if VERSION in path.read_text()
    ]
    assert found == ["app/version.py"]
