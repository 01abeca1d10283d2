"""The reference page and the sandbox's inbox in a real browser, without complaint and without a network."""

import sys
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route

from app.sandbox.directory import CONVERSATIONS
from tests.system.sandbox.browser.conftest import ELSEWHERE, Open
from tests.system.sandbox.launched import Launched, command

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are followed through /proc and pidfd"),
]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
STANDING_OUT = """[...document.querySelectorAll(".models .model-box")].filter(it =>
    it.getBoundingClientRect().right > it.closest(".model-container").getBoundingClientRect().right + 0.5
).map(it => it.textContent)"""
FOCUSED = """wanted => {
  const focused = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(focused);
  return [`${focused.nodeName}.${focused.className}`, `${outlineStyle} ${outlineWidth}`, focused.matches(wanted)];
}"""
COUNT_SCROLLS = """window.scrolls = 0;
const scroll = Element.prototype.scrollIntoView;
Element.prototype.scrollIntoView = function (...given) { scrolls += 1; return scroll.apply(this, given); };"""
PHONE = 390
SECOND = list(CONVERSATIONS)[1]


def sending(page: Page) -> Locator:
    """The operation that sends, on the reference page; it is opened where there are others beside it."""
    operation = page.locator("#operations-Conversations-sendMessage")
    operation.wait_for()
    if operation.locator(".execute").count() == 0:
        operation.locator(".opblock-summary-control").click()
    return operation


def status(operation: Locator) -> str:
    """The status of the answer that the reference page shows of an operation, once it does."""
    return operation.locator(".live-responses-table tbody .response-col_status").inner_text().strip()


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def press_tab_until(page: Page, selector: str) -> list[tuple[str, str]]:
    """Go on with the Tab key to what is wanted, 60 presses at most; returns what is passed, and its outlines."""
    passed = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline, is_wanted = page.evaluate(FOCUSED, selector)
        passed.append((name, outline))
        if is_wanted:
            return passed
    pytest.fail(f"the Tab key does not lead to {selector}")


def sent(running: Launched, *words: str) -> None:
    """A message sent from a terminal."""
    assert command("send", "--var", str(running.var), *words).returncode == 0


def test_one_click_sends_and_the_message_appears_in_the_inbox(show: Open, reference: str, inbox: str) -> None:
    """Nothing but Execute is pressed of the operation, and nothing on the inbox, which shows it at once."""
    messages = show(inbox)
    messages.get_by_text("Live:").wait_for()
    before = messages.locator("article").count()
    operation = sending(show(reference))
    operation.get_by_role("button", name="Execute").click()
    assert status(operation) == "200"
    messages.locator("article").nth(before).wait_for()
    text = "Hi — this is a test message from the api-doc send endpoint."
    assert messages.locator("article:visible p").last.inner_text() == text


def test_both_pages_fit_a_phone(show: Open, reference: str, inbox: str) -> None:
    """On 390 pixels a message is sent and read without scrolling sideways."""
    text = f"W{'i' * 400}de"
    page = show(reference, PHONE, has_touch=True, is_mobile=True)
    messages = show(inbox, PHONE, has_touch=True, is_mobile=True)
    operation = sending(page)
    operation.locator(".body-param textarea").fill(f'{{"message_body": "{text}"}}')
    operation.get_by_role("button", name="Execute").tap()
    assert status(operation) == "200"
    messages.locator("article", has_text=text).wait_for()
    assert (overflow(page), overflow(messages)) == (0, 0)
    assert page.locator(".responses-table th:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_out_of_its_frame(show: Open, reference: str, scheme: str) -> None:
    """A schema's box ends where its frame does, and no line of Swagger UI's crosses the page."""
    page = show(reference, color_scheme=scheme)
    page.locator(".models .model-box").first.wait_for()
    assert page.evaluate(STANDING_OUT) == []
    assert page.locator(".scheme-container").evaluate("it => getComputedStyle(it).boxShadow") == "none"


def test_both_pages_can_be_used_by_keyboard(show: Open, running: Launched, reference: str, inbox: str) -> None:
    """Tab and Enter send a message, and choose a conversation to read."""
    page = show(reference)
    operation = sending(page)
    press_tab_until(page, ".execute")
    page.keyboard.press("Enter")
    assert status(operation) == "200"
    sent(running, "--conversation", SECOND, "--text", "Read me")
    sent(running)
    messages = show(inbox)
    messages.locator("article:visible", has_text="Hello from the sandbox").first.wait_for()
    press_tab_until(messages, f'[href="#{SECOND}"]')
    messages.keyboard.press("Enter")
    messages.locator("article:visible", has_text="Read me").wait_for()
    assert messages.locator('[aria-current="true"]').inner_text() == "Tom Becker\nRead me"


def test_one_sees_where_the_keyboard_is(show: Open, reference: str) -> None:
    """Whatever Tab leads to on the way to Execute has an outline of three pixels."""
    page = show(reference)
    sending(page)
    passed = press_tab_until(page, ".execute")
    assert [(name, outline) for name, outline in passed if not outline.endswith("solid 3px")] == []
    assert any(name.startswith("TEXTAREA") for name, _ in passed)


def test_the_reference_can_be_heard(show: Open, reference: str) -> None:
    """One part is the main one, and the field for the body and the choice of an example have names."""
    page = show(reference)
    sending(page).get_by_label("Request body").wait_for()
    sending(page).get_by_role("combobox", name="Examples").wait_for()
    assert page.locator("main, [role=main]").count() == 1


def test_a_message_is_shown_as_text(show: Open, running: Launched, inbox: str) -> None:
    """Markup in it is no markup on the page."""
    text = f"<img src=x onerror=alert(1)><b>{uuid.uuid4()}</b>"
    messages = show(inbox)
    sent(running, "--text", text)
    messages.locator("article p", has_text=text).first.wait_for()
    assert messages.locator("article img, article b").count() == 0


def test_many_messages_are_laid_out_once(show: Open, running: Launched, inbox: str) -> None:
    """The page goes to the end of a conversation once for all that were here before, not with each."""
    for _ in range(3):
        sent(running)
    messages = show(inbox)
    messages.add_init_script(COUNT_SCROLLS)
    messages.reload()
    messages.get_by_text("Live:").wait_for()
    assert messages.evaluate("scrolls") == 1
    assert messages.locator("article:visible").count() >= 3


def test_a_date_reads_in_its_own_direction(show: Open, running: Launched, inbox: str) -> None:
    """In an Arabic browser, its day does not end up behind its time."""
    sent(running)
    time = show(inbox, locale="ar").locator("article:visible time").last
    assert time.evaluate("it => getComputedStyle(it).direction") == "rtl"


def test_a_message_elsewhere_is_counted(show: Open, running: Launched, inbox: str) -> None:
    """Who reads one conversation stays in it, and sees how many messages are new in the others."""
    sent(running, "--conversation", SECOND)
    messages = show(f"{inbox}#{SECOND}")
    messages.get_by_text("Live:").wait_for()
    for _ in range(2):
        sent(running)
    messages.get_by_text("2 new").wait_for()
    assert messages.locator("h2:visible").inner_text() == "Tom Becker"


def test_a_rehearsal_says_what_its_caller_is_told(show: Open, running: Launched, inbox: str) -> None:
    """The message has arrived; its sender cannot know."""
    id_ = "00000000-0000-4000-8000-000000000bad"
    command("send", "--user", "rita", "--conversation", id_, "--var", str(running.var))
    told = show(inbox).locator(".told")
    assert told.inner_text() == (
        "Rehearsal: the caller is told 500 unknown SEND_OUTCOME_UNKNOWN (the answer is not JSON)"
    )


def test_a_token_in_the_address_counts_on_loopback_alone(show: Open, reference: str) -> None:
    """No link can make somebody use a deployed service in another's name."""
    page = show(reference.replace("127.0.0.1", ELSEWHERE))
    page.locator(".authorize.unlocked").wait_for()
    assert page.locator("#notice").inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(show: Open, running: Launched, reference: str, inbox: str, scheme: str) -> None:
    """A contrast of 4.5 to 1 and more, in both colour schemes."""
    sent(running)
    page = show(reference, color_scheme=scheme)
    operation = sending(page)
    operation.get_by_role("button", name="Execute").click()
    assert status(operation) == "200"
    messages = show(inbox, color_scheme=scheme)
    messages.locator("article").first.wait_for()
    assert page.evaluate(CONTRAST) == []
    assert messages.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_of_other_operations_can_be_read(show: Open, reference: str, scheme: str) -> None:
    """Whatever their method, and whatever is in their examples."""

    def answer(route: Route) -> None:
        document = route.fetch().json()
        (described,) = [path for name, path in document["paths"].items() if name.startswith("/v1/send-message/")]
        told = {"count": 1, "none": None, "some": [0.5, True, "text"]}
        operation = {**described["post"], "responses": {"200": {"description": "`code`"}}}
        operation["responses"]["200"]["content"] = {"application/json": {"example": told}}
        path = {method: {**operation, "operationId": method} for method in ("get", "put", "post", "delete")}
        route.fulfill(json={**document, "paths": {"/v1/other": path}})

    page = show(reference, color_scheme=scheme)
    page.route("**/openapi.json", answer)
    page.reload()
    page.locator(".opblock").nth(3).wait_for()
    for operation in page.locator(".opblock-summary-control").all():
        operation.click()
    for operation in page.locator(".opblock").all():
        operation.get_by_text('"count"').wait_for()
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_of_schemas_can_be_read(show: Open, reference: str, scheme: str) -> None:
    """Those of the body and of each response, and those that stand on their own."""
    page = show(reference, color_scheme=scheme)
    for tab in sending(page).get_by_role("tab", name="Schema").all():
        tab.click()
    for schema in page.locator(".models button.model-box-control").all():
        schema.click()
    sending(page).locator("table.model .star").first.wait_for()
    page.locator(".models table.model .star").first.wait_for()
    assert page.evaluate(CONTRAST) == []


def test_several_operations_are_folded(show: Open, reference: str) -> None:
    """One is open at once; of more there is a list, and the hint says what to press."""
    names: list[str] = []

    def answer(route: Route) -> None:
        document = route.fetch().json()
        (described,) = [path for name, path in document["paths"].items() if name.startswith("/v1/send-message/")]
        paths = {f"/v1/{name}": {"post": {**described["post"], "operationId": name}} for name in names}
        route.fulfill(json={**document, "paths": paths})

    page = show(reference)
    page.route("**/openapi.json", answer)
    for names, hint, opened in (
        (["sendMessage"], "press Execute to send", 1),
        (["sendMessage", "another"], "open an operation and press its Execute", 0),
    ):
        page.reload()
        page.get_by_text(hint).wait_for()
        assert (page.locator(".opblock").count(), page.locator(".opblock.is-open").count()) == (len(names), opened)
    assert sending(page).locator(".execute").is_visible()


def test_a_page_that_came_in_part_says_so(show: Open, reference: str) -> None:
    """Where a busy service has refused one of its files, a sentence says what to do instead of a blank page."""
    page = show(reference)
    page.route("**/swagger-ui-bundle.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    page.reload()
    page.get_by_text("could not be loaded as a whole; reload it").wait_for()
