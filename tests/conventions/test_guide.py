"""docs/adding-a-route.md is followed from start to end, in a copy of the tree; and so is what it warns of."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.conventions.guide import BLOCKS, CLIENT, GUIDE, ROUTE, Tree

BIN = Path(sys.executable).parent
FILES = sorted({name for name, _, _ in BLOCKS})
# The operations of the guide, and the blocks that make each.
STEPS = {
    "GET /v1/fetch-contacts/<company_id> (contacts.fetch_contacts)": BLOCKS[:2],
    "POST /v1/create-contact (contacts.create_contact)": BLOCKS[2:4],
}
GUARD = '@company_scoped(role="contacts", company_in="body", limit="10 per minute")\n'

# What the stand-in answers about the company of the guide's curl, held to the route's own schema.
ASK = f"""
from pathlib import Path
from app.chat.contacts import Contact
from app.sandbox.directory import ACCOUNTS
from app.sandbox.services import create_sandbox
from app.schemas import page_of
company = "{re.findall("/v1/fetch-contacts/([0-9a-f-]+)", GUIDE)[0]}"
assert (ACCOUNTS["nora"]["company_id"], ACCOUNTS["nora"]["roles"]) == (company, ["contacts"])
answer = create_sandbox(Path("."), 8000).test_client().get("/chat/contacts/" + company)
page_of(Contact)().load(answer.get_json())
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("followed"))


@pytest.mark.parametrize("operation", STEPS)
def test_a_route_is_small(operation: str) -> None:
    """45 lines at most, client and schemas included."""
    written = [
        line
        for _, kind, text in STEPS[operation]
        for line in text.splitlines()
        if kind == "python" or line.startswith("+")
    ]
    assert 1 <= len(written) <= 45


def test_a_route_inherits_its_tests(followed: Tree) -> None:
    """Twelve checks and more for each, of which none fails."""
    followed.test("--junitxml=inherited.xml")
    cases = ET.parse(followed.root / "inherited.xml").getroot().iter("testcase")  # noqa: S314 - pytest's own
    names = [str(case.get("name")) for case in cases]
    for operation in STEPS:
        assert len({name.partition("[")[0] for name in names if operation in name}) >= 12


def test_a_route_may_be_one_file(followed: Tree, tree: Tree) -> None:
    """Its client in it: it passes the checks, and inherits its tests, all the same."""
    client = tree.root / CLIENT
    imports, classes = client.read_text(encoding="utf-8").split("\n\n\n", 1)
    client.unlink()
    tree.change("from app.chat.contacts import Contact, Contacts\n", imports.partition("\n\n")[2] + "\n")
    tree.change("blueprint =", f"{classes}\n\nblueprint =")
    tree.run(f"{BIN}/ruff", "check", "--fix", "--select", "I", ROUTE)
    for command in (
        ["ruff", "check", ROUTE],
        ["ruff", "format", ROUTE],
        ["mypy", followed.cache, ROUTE],
        ["lint-imports"],
    ):
        tree.run(f"{BIN}/{command[0]}", *command[1:])
    tree.test("-k", "contact")


def test_a_tag_may_be_a_package(tree: Tree) -> None:
    """Its modules share a blueprint, which each of them has at its top level: it is registered once."""
    package = tree.root / ROUTE.removesuffix(".py")
    package.mkdir()
    (tree.root / ROUTE).rename(package / "everything.py")
    (package / "__init__.py").write_text("from app.routes.contacts.everything import blueprint\n")
    tree.run(sys.executable, "-c", "import wsgi")
    tree.run(f"{BIN}/lint-imports")


def test_a_route_breaks_no_test_of_others(followed: Tree) -> None:
    """Those that make routes of their own do not take its names."""
    followed.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/routes/test_guard.py")


@pytest.mark.parametrize(
    "command",
    [["mypy", *FILES], ["ruff", "check", *FILES], ["ruff", "format", "--check", *FILES], ["lint-imports"]],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_route_passes_the_checks(followed: Tree, command: list[str]) -> None:
    """Types, form and imports."""
    followed.run(f"{BIN}/{command[0]}", *command[1:])


def test_the_stand_in_answers_what_the_route_expects(followed: Tree) -> None:
    """Of the company that Nora, whose token the guide takes, has her account in."""
    followed.run(sys.executable, "-c", ASK)


def test_a_route_without_a_guard_keeps_the_service_from_starting(tree: Tree) -> None:
    """It is named, and there is no traceback."""
    tree.change(GUARD, "")
    assert tree.run(sys.executable, "-c", "import wsgi", code=4).splitlines()[-1] == (
        "POST /v1/create-contact (contacts.create_contact): anybody could call it: "
        "write @company_scoped(role=…) right below its route, or @public if they may."
    )


def test_a_view_without_a_path_keeps_the_service_from_starting(tree: Tree) -> None:
    """It would answer 404, as if nobody had written it."""
    tree.change('@blueprint.post("/create-contact")\n', "")
    said = tree.run(sys.executable, "-c", "import wsgi", code=4).splitlines()[-1]
    assert said.startswith("app.routes.contacts.create_contact: no path leads to it: write @blueprint.get(…)")


@pytest.mark.parametrize(
    ("forgotten", "instead", "told"),
    [
        ("@takes(NewContact)\n", "", "nobody checks its body: write @takes(Schema) below @company_scoped."),
        ('@gives("Contact created successfully!", Contact)\n', "", "nobody knows what it answers: write @gives"),
        ("    refusal =", "    reply =", "its schema has no `refusal`"),
        ('    """Add a contact to a company."""\n', "", "nobody can read what it does: write a docstring"),
        ("    name = text(", '    company_id = text("")\n    name = text(', "take company_id out of its schema"),
        ('limit="10 per minute"', 'limit="some"', 'its limit is not one such as "30 per minute".'),
        (f"{GUARD}@takes(NewContact)\n", f"@takes(NewContact)\n{GUARD}", "write its decorators in this order"),
    ],
)
def test_a_careless_route_keeps_the_service_from_starting(
    tree: Tree, forgotten: str, instead: str, told: str
) -> None:
    """Each slip is told, with what to do about it."""
    tree.change(forgotten, instead)
    said = tree.run(sys.executable, "-c", "import wsgi", code=4)
    (line,) = [line for line in said.splitlines() if told in line]
    assert line.startswith("POST /v1/create-contact (contacts.create_contact): ")


def test_a_route_that_imports_requests_breaks_a_contract(tree: Tree) -> None:
    """Guarded or not; a new module needs no line in the contracts."""
    tree.change("from flask import Blueprint\n", "import requests\nfrom flask import Blueprint\n")
    said = tree.run(f"{BIN}/lint-imports", code=1)
    assert "A route speaks to the domain, never to a library below it BROKEN" in said
    assert "app.routes.contacts -> requests" in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("from flask import request", "the request itself may name another company"),
        ("from app.web.state import current", "the request itself may name another company"),
        ("from app.web.bodies import json_body", "the rest may name another company"),
        ("from app.web.services import services", "names the company that the guard admitted"),
        ("from flask import abort", "whose status, code and sentence are documented"),
        ("from flask import current_app", "another company's caller finds"),
        ("from flask.globals import request", "the request itself may name another company"),
        ("from werkzeug.exceptions import abort", "whose status, code and sentence are documented"),
        ("from werkzeug.exceptions import NotFound", "whose status, code and sentence are documented"),
        ("from flask.helpers import abort", "whose status, code and sentence are documented"),
    ],
)
def test_a_route_that_goes_past_its_decorators_does_not_pass(followed: Tree, line: str, told: str) -> None:
    """What the guard has not looked at, it cannot reach: lint says what to take in its place."""
    done = followed.start(f"{BIN}/ruff", "check", "--stdin-filename", ROUTE, "-", given=f"{line}\n")
    (said,) = [it for it in done.stdout.splitlines() if it.startswith("TID251")]
    assert told in said


def test_nor_does_a_module_beside_the_guard_that_would_do_it_for_routes(followed: Tree) -> None:
    """Only those by name that have to may look at the request: a route could ask any other for what is in it."""
    line = "from flask import request\n"
    done = followed.start(f"{BIN}/ruff", "check", "--stdin-filename", "app/web/companies.py", "-", given=line)
    assert "TID251 `flask.request` is banned" in done.stdout


def test_the_inherited_tests_fail_for_a_careless_route(tree: Tree) -> None:
    """A docstring that is no sentence, no description, another tag than the document has, a slip in the view."""
    tree.change("Add a contact to a company.", "Add a contact")
    tree.change(', description="What people call them"', "")
    tree.change('Blueprint("contacts"', 'Blueprint("people"')
    tree.change('body["name"])', 'body["nam"])')
    said = tree.test("-k", "create_contact", code=1)
    for told in (
        "write a docstring; its first line is the summary in the document.",
        "NewContact.name: give it metadata",
        "name the blueprint as one of the document's tags",
        "FAILED tests/conventions/test_answers.py::test_a_good_request_gets_its_answer",
    ):
        assert told in said


def test_a_message_that_does_not_say_what_becomes_of_it_is_told(tree: Tree) -> None:
    """Its client has it refused as a message, and its view is not declared to send one."""
    tree.change("import Client\n", "import REJECTED, Client\n", CLIENT)
    tree.change("document=document)", "document=document, refusals=REJECTED)", CLIENT)
    assert "create_contact): it sends a message: write @sends." in tree.test("-k", "create_contact", code=1)


def test_a_route_without_types_does_not_pass(followed: Tree, tree: Tree) -> None:
    """They are what keeps the company's id from the view."""
    tree.change("(account: Account, *, body: Document) -> Document:", "(account, *, body):")
    said = tree.run(f"{BIN}/mypy", followed.cache, ROUTE, code=1)
    assert "missing a type annotation" in said
