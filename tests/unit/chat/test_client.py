"""What a further method of a client gets for one call of `_ask`."""

from typing import Any

import pytest

from app.chat.client import Client
from app.errors import (
    ChatServiceAuthError,
    ChatServiceBusyError,
    ChatServiceUnavailableError,
    ForbiddenError,
    InternalError,
    InvalidConversationIdError,
    OverloadedError,
    ServiceError,
)
from app.schemas import Answer, Document, page_of, text
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.people import ACME, CONVERSATION, GLOBEX
from tests.unit.services import answering, behind, correlation
from tests.wire import CHAT, Wire, reply

GOOD = {"name": "Jane"}
PAGE = {
    "data": [GOOD],
    "pagination": {"page_number": 1, "items_per_page": 20, "total_count": 1, "total_pages": 1},
}
# None: nobody knows what was done.
MEANINGS: dict[int, type[ServiceError] | None] = {
    401: ChatServiceAuthError,
    403: ForbiddenError,
    404: InvalidConversationIdError,
    429: ChatServiceBusyError,
    **dict.fromkeys((400, 409, 418, 422), ChatServiceUnavailableError),
    **dict.fromkeys((302, 500, 503)),
}
UNCLEAR = {"GET": ChatServiceUnavailableError, "DELETE": ChatServiceUnavailableError, "POST": InternalError}


class Name(Answer):
    """A name."""

    name = text("Jane")


class Names(Client):
    """A client with a method for each thing to try."""

    def one(self, method: str) -> Document:
        """A name."""
        return self._ask(method, f"/name/{ACME}", Name, refusals={404: InvalidConversationIdError})

    def called(self, name: str) -> Document:
        """The name, from a path that has more than words and ids."""
        return self._ask("GET", f"/names/{ACME}/{name}", Name)

    def page(self, query: Document) -> Document:
        """Names."""
        return self._ask("GET", f"/names/{ACME}", page_of(Name), query=query)

    def found(self, path: str, query: Document | None = None, document: Document | None = None) -> Document:
        """The name that is found there."""
        return self._ask("GET", path, Name, query=query, document=document)


def names(wire: Wire, slots: int = 1) -> Names:
    """The client, with so many places."""
    return Names(behind(wire, slots=slots), ACME, correlation(), "key-1")


@pytest.mark.parametrize("method", UNCLEAR)
@pytest.mark.parametrize("status", MEANINGS)
def test_what_a_refusal_means(wire: Wire, method: str, status: int) -> None:
    """The same for every method, and what the method itself says; anything else leaves it unclear."""
    wire.answer_chat = answering(GOOD, status)
    with pytest.raises(ServiceError) as caught:
        names(wire).one(method)
    assert type(caught.value) is (MEANINGS[status] or UNCLEAR[method])


@pytest.mark.parametrize("method", UNCLEAR)
@pytest.mark.parametrize("body", [b"", b"[]", b'{"name": 1}', b'{"name": NaN}', b"\xff", b"{}"])
def test_an_answer_that_is_none(wire: Wire, method: str, body: bytes) -> None:
    """A 2xx is only believed if it is what the method asked for."""
    wire.answer_chat = answering(body=body)
    with pytest.raises(UNCLEAR[method]):
        names(wire).one(method)


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("DELETE", 1), ("POST", 1)])
def test_no_answer(wire: Wire, method: str, attempts: int) -> None:
    """A GET is asked once more, anything else is not: it may have been heard."""
    wire.answer_chat = lambda *_: NoAnswerError("reset")
    with pytest.raises(UNCLEAR[method]):
        names(wire).one(method)
    assert len(wire.chats) == attempts


@pytest.mark.parametrize("method", UNCLEAR)
@pytest.mark.parametrize("answer", [NoAnswerError("deadline"), reply(500), reply(302), reply(200, body=b"<html>")])
def test_what_is_unclear_is_not_told_as_not_done(wire: Wire, method: str, answer: Any) -> None:
    """Whatever others of its kind say; a GET asks for nothing to be done."""
    wire.answer_chat = lambda *_: answer
    with pytest.raises(UNCLEAR[method]) as caught:
        names(wire).one(method)
    assert caught.value.outcome == ("not_sent" if method == "GET" else "unknown")


@pytest.mark.parametrize("method", UNCLEAR)
def test_nothing_is_asked_after_a_post(wire: Wire, method: str) -> None:
    """However that ended: what fails next would be told of it. Whatever it needs can be asked for before."""
    wire.answer_chat = answering(GOOD)
    client = names(wire)
    assert [client.one(each) for each in ("GET", "GET", "POST")] == [GOOD] * 3
    with pytest.raises(RuntimeError):
        client.one(method)
    assert len(wire.chats) == 3


@pytest.mark.parametrize("method", UNCLEAR)
def test_nothing_was_sent(wire: Wire, method: str) -> None:
    """Then it may be repeated, whatever it was."""
    wire.answer_chat = lambda *_: NothingSentError("refused")
    with pytest.raises(ChatServiceUnavailableError):
        names(wire).one(method)
    assert len(wire.chats) == 2


@pytest.mark.parametrize(("method", "key"), [("GET", None), ("POST", "key-1")])
def test_what_goes_along(wire: Wire, method: str, key: str | None) -> None:
    """The correlation always, the key with what is to be done once."""
    wire.answer_chat = answering(GOOD)
    assert names(wire).one(method) == GOOD
    (request,) = wire.chats
    assert request.headers["X-Request-ID"] == correlation().request_id
    assert request.headers.get("Idempotency-Key") == key


@pytest.mark.parametrize(
    "name",
    ["../../other", "..", ".", "", "a/", "a//b", "%2e%2e%2fother", "a?b=c", "a#b", "a b", "a\r\nb", "é", "a\n"],
)
def test_a_path_has_words_and_ids_alone(wire: Wire, name: str) -> None:
    """Nobody's text leads to the data of another company."""
    wire.answer_chat = answering(GOOD)
    with pytest.raises(RuntimeError):
        names(wire).called(name)
    assert wire.requests == []
    assert names(wire).called("b2c3d4e5-f6a7") == GOOD


@pytest.mark.parametrize(
    ("path", "query", "document"),
    [
        ("/names", None, None),
        (f"/names/{CONVERSATION}", {}, None),
        (f"/names/{GLOBEX}", {"company_id": GLOBEX}, None),
        ("/names", {"like": f"{ACME}-"}, {"company_id": ACME}),
        ("/names", {"company": GLOBEX, "like": ACME}, None),
    ],
)
def test_the_company_is_named(wire: Wire, path: str, query: Document | None, document: Document | None) -> None:
    """Who asks by another id alone could get what is another company's."""
    wire.answer_chat = answering(GOOD)
    with pytest.raises(RuntimeError):
        names(wire).found(path, query, document)
    assert wire.requests == []


@pytest.mark.parametrize(("path", "query"), [(f"/names/{ACME}/x", None), ("/names", {"company_id": ACME})])
def test_where_the_company_is_named(wire: Wire, path: str, query: Document | None) -> None:
    """In the path, or in the query under a name that no schema of a caller's may have."""
    wire.answer_chat = answering(GOOD)
    assert names(wire).found(path, query) == GOOD


def test_a_query(wire: Wire) -> None:
    """Its values are percent-encoded."""
    wire.answer_chat = answering(PAGE)
    assert names(wire).page({"page_number": 2, "like": "a&b=ü"}) == PAGE
    assert wire.chats[0].url == f"{CHAT}/names/{ACME}?page_number=2&like=a%26b%3D%C3%BC"


@pytest.mark.parametrize("count", [None, "1", True, 1.5])
def test_a_page_counts_in_whole_numbers(wire: Wire, count: object) -> None:
    """What merely resembles one is no answer."""
    wire.answer_chat = answering({**PAGE, "pagination": {**PAGE["pagination"], "total_count": count}})  # type: ignore[dict-item] # of two kinds
    with pytest.raises(ChatServiceUnavailableError):
        names(wire).page({})


def test_what_is_not_named_is_left_out(wire: Wire) -> None:
    """Fields that the schema does not name are dropped on every level of an answer."""
    page = {**PAGE, "secret": 1, "data": [{**GOOD, "secret": 1}]}
    wire.answer_chat = answering(page)
    assert names(wire).page({}) == PAGE


def test_no_slot(wire: Wire) -> None:
    """With every slot taken nobody is asked."""
    with pytest.raises(OverloadedError):
        names(wire, slots=0).one("GET")
    assert wire.requests == []
