"""Guard, body and query on operations of every kind: the product has one kind, its next routes have the others."""

import json

import pytest
import requests
from flask import Flask
from werkzeug.test import TestResponse

from app.schemas import Document, Paging
from app.upstream.transport import NoAnswerError, NothingSentError
from app.web.reference.published import ANOTHER_ID
from tests.documented import CheckedClient
from tests.people import ACME, CONVERSATION, GLOBEX, NOWHERE, bearer
from tests.routes.kinds import REFUSAL, scratch
from tests.wire import Wire, reply


@pytest.fixture
def client(app: Flask) -> CheckedClient:
    app.register_blueprint(scratch())
    return CheckedClient(app)


def add(client: CheckedClient, user: str | None = "a-member", **request: object) -> TestResponse:
    """Add somebody: a POST whose company is in the body."""
    request = request or {"json": {"company_id": ACME, "name": "Jane"}}
    headers = bearer(user) if user else {}
    return client.post("/v1/add", headers=headers, **request)


def code(answer: TestResponse) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.get_json()["code"]


def test_the_company_of_a_body_is_the_guards(client: CheckedClient) -> None:
    """The view gets the account and the rest of the body; unknown fields are left out."""
    answer = add(client, json={"company_id": ACME.upper(), "name": "Jane", "more": 1})

    assert answer.status_code == 200
    assert answer.get_json() == {
        "message": "Added!",
        "data": {"account": "account-a1b2", "given": {"name": "Jane"}},
    }


def test_no_body_is_read_for_nobody(client: CheckedClient) -> None:
    """The token comes first, whatever the body is."""
    assert code(add(client, None, data=b"{", content_type="application/json")) == (401, "UNAUTHORIZED")


def test_no_body_is_read_over_the_limit(client: CheckedClient) -> None:
    """The limit comes second, and bodies that cannot be read are charged."""
    for _ in range(30):
        assert code(add(client, data=b"{", content_type="application/json")) == (400, "INVALID_PARAMS")
    assert code(add(client, data=b"{", content_type="application/json")) == (429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize("body", [{}, {"name": "Jane"}, [], [ACME], "text", None, 1])
def test_a_body_without_a_company(client: CheckedClient, wire: Wire, body: object) -> None:
    """The sentence is the operation's own; nobody is asked."""
    answer = add(client, json=body)
    assert (*code(answer), answer.get_json()["error"]) == (400, "INVALID_PARAMS", REFUSAL)
    assert wire.requests == []


@pytest.mark.parametrize("company", ["", "acme", f"{{{ACME}}}", None, 1, True, [ACME], {"a": ACME}])
def test_a_company_that_is_misspelt_in_a_body(client: CheckedClient, wire: Wire, company: object) -> None:
    """An id has one spelling there, as in a path; whoever writes another is refused before anybody is asked."""
    answer = add(client, json={"company_id": company, "name": "Jane"})
    assert (*code(answer), answer.get_json()["error"]) == (400, "INVALID_COMPANY_ID", "Invalid company ID")
    assert wire.requests == []


@pytest.mark.parametrize(
    ("user", "company", "expected"),
    [
        ("a-member", NOWHERE, (400, "NO_ACCOUNT")),
        ("one-of-another-company", ACME, (400, "NO_ACCOUNT")),
        ("one-made-inactive", ACME, (403, "FORBIDDEN")),
        ("a-member", ACME, (400, "INVALID_PARAMS")),
        ("one-of-another-company", GLOBEX, (400, "INVALID_PARAMS")),
    ],
)
def test_the_account_is_found_before_the_body_is_judged(
    client: CheckedClient, user: str, company: str, expected: tuple[int, str]
) -> None:
    """Who may not ask does not learn what is wrong with the rest; every 400 of the kind has one sentence."""
    answer = add(client, user, json={"company_id": company})
    assert code(answer) == expected
    assert expected[0] == 403 or answer.get_json()["error"] == REFUSAL


def test_body_and_query_and_an_id_of_another_kind(client: CheckedClient) -> None:
    """A view gets each by its name, with the ids in lower case and the query's defaults."""
    answer = client.put(
        f"/v1/change/{ANOTHER_ID.upper()}?page_number=2",
        json={"company_id": ACME, "name": "Jane"},
        headers=bearer(),
    )
    assert answer.get_json()["data"]["given"] == {
        "contact_id": ANOTHER_ID,
        "body": {"name": "Jane"},
        "query": {"page_number": 2, "items_per_page": 20},
    }


def test_an_id_of_another_kind_is_named(client: CheckedClient) -> None:
    """INVALID_ID, with the name in the sentence; the company is judged first."""
    answer = client.delete(f"/v1/remove/{ACME}/x", headers=bearer())
    assert (*code(answer), answer.get_json()["error"]) == (400, "INVALID_ID", "Invalid contact ID")
    assert code(client.delete("/v1/remove/x/x", headers=bearer())) == (400, "INVALID_COMPANY_ID")


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("", {"page_number": 1, "items_per_page": 20}),
        ("?page_number=7&items_per_page=100", {"page_number": 7, "items_per_page": 100}),
        ("?page_number=007&utm=x", {"page_number": 7, "items_per_page": 20}),
    ],
)
def test_a_page_is_asked_for(client: CheckedClient, query: str, given: Document) -> None:
    """With the first as default; other names are ignored."""
    answer = client.get(f"/v1/list/{ACME}{query}", headers=bearer())
    assert answer.get_json()["people"]["given"] == given


@pytest.mark.parametrize(
    "query",
    [
        *("page_number=0", "page_number=-1", "page_number=+1", "page_number=%201", "page_number=1.0"),
        *("page_number=", "page_number", "page_number=%D9%A1", "page_number=%00", "page_number=%FF"),
        *("page_number=1&page_number=1", "items_per_page=0", "items_per_page=101", "page_number=1000000000"),
        *("page_number=1_0", "a=%00", "a=%FF", "a=1&a=2", "&".join(f"a{n}=1" for n in range(200))),
    ],
)
def test_a_page_that_cannot_be_asked_for(client: CheckedClient, query: str) -> None:
    """One spelling, each name once, and the schema's own sentence."""
    answer = client.get(f"/v1/list/{ACME}?{query}", headers=bearer())
    assert (*code(answer), answer.get_json()["error"]) == (400, "INVALID_PARAMS", Paging.refusal)


def test_a_view_refuses_in_words_of_its_own(client: CheckedClient) -> None:
    """They take the place of the schema's sentence."""
    answer = client.get(f"/v1/fetch/{ACME}/{ANOTHER_ID}?page_number=2", headers=bearer())
    assert (*code(answer), answer.get_json()["error"]) == (400, "INVALID_PARAMS", "This field has one page.")


def test_ids_are_logged_by_what_they_are_of(client: CheckedClient, capsys: pytest.CaptureFixture[str]) -> None:
    """`custom_field_id` is `custom_field` in the line of the log: names have no spaces there."""
    client.get(f"/v1/fetch/{ACME}/{ANOTHER_ID}", headers=bearer())
    (line,) = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if "company" in line]
    assert (line["company"], line["custom_field"]) == (ACME, ANOTHER_ID)


def test_a_limit_of_its_own(client: CheckedClient) -> None:
    """It takes the place of the setting, on this operation alone."""
    told = [client.get(f"/v1/list/{ACME}", headers=bearer()) for _ in range(3)]
    assert [(answer.status_code, answer.headers["X-RateLimit-Limit"]) for answer in told] == [
        (200, "2"),
        (200, "2"),
        (429, "2"),
    ]
    assert add(client).headers["X-RateLimit-Remaining"] == "29"


def test_a_fault_of_ours_invites_only_a_harmless_repetition(client: CheckedClient, wire: Wire) -> None:
    """Nobody knows how far a POST came, so it gets no Retry-After; and nothing is said of sending."""
    wire.answer_accounts = lambda _: ZeroDivisionError()
    posted, got = add(client), client.get(f"/v1/list/{ACME}", headers=bearer())

    assert [code(posted), code(got)] == [(500, "INTERNAL_ERROR")] * 2
    assert (posted.headers.get("Retry-After"), got.headers.get("Retry-After")) == (None, "1")
    assert posted.get_json()["error"] == "Problem encountered while handling the request!"
    assert "X-Send-Outcome" not in posted.headers


def test_a_failure_that_is_foreseen_may_be_repeated(client: CheckedClient, wire: Wire) -> None:
    """It is known that nothing was done, and nothing is said of sending."""
    wire.answer_accounts = lambda _: reply(503)
    answer = add(client)

    assert code(answer) == (500, "ACCOUNT_SERVICE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "2"
    assert "sent" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (reply(200, {"account": "a", "given": {}}), None),
        (reply(500), None),
        (NoAnswerError("deadline"), None),
        (NothingSentError("refused"), "2"),
        (reply(403), "2"),
    ],
)
def test_what_a_view_raises_after_its_post_invites_to_repeat_it_only_if_nothing_was_done(
    client: CheckedClient, wire: Wire, answer: requests.Response | Exception, wait: str | None
) -> None:
    """The POST decides, whatever the error of the view says elsewhere."""
    wire.answer_chat = lambda *_: answer
    told = client.post(f"/v1/invite/{ACME}", json={"name": "Jane"}, headers=bearer())

    assert code(told) == (500, "CHAT_SERVICE_UNAVAILABLE")
    assert told.headers.get("Retry-After") == wait


def test_every_operation_has_a_window_of_its_own(client: CheckedClient) -> None:
    """What is sent does not shorten what may be added."""
    client.post(f"/v1/send-message/{ACME}/{CONVERSATION}", headers=bearer(), json={"message_body": "Hello"})
    assert add(client).headers["X-RateLimit-Remaining"] == "29"
