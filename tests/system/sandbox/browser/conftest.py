"""A sandbox, and a Chromium that reaches nothing but loopback."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.system.sandbox.launched import Launched

# A name that is not a loopback name, for the same service.
ELSEWHERE = "reference.test"
OPTIONS = (
    *("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-quic"),
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("REQUIRE_BROWSER"):
        pytest.fail("REQUIRE_BROWSER is set, and there is no chromium: apt-get install chromium")
    if found is None:
        pytest.skip("no chromium here: apt-get install chromium to run the tests in a browser")
    # Chromium's own sandbox refuses to run as root.
    options = [*OPTIONS, *["--no-sandbox"] * (os.geteuid() == 0)]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=found, args=options) as browser,
    ):
        yield browser


@pytest.fixture
def show(chromium: Browser, running: Launched) -> Iterator[Open]:  # noqa: ARG001 - pages end before the sandbox does
    """Open an address in a page of its own: `show(address, width=390, …)`; whatever a page complains of fails."""
    complaints: list[str] = []

    def note_request(address: str) -> None:
        if not address.startswith(("http://127.0.0.1:", f"http://{ELSEWHERE}:", "data:")):
            complaints.append(f"requested {address}")

    contexts = []

    def open_page(address: str, width: int = 1280, **options: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 844}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: note_request(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def reference(running: Launched) -> str:
    return running.reference


@pytest.fixture
def inbox(running: Launched) -> str:
    return running.inbox
