"""Operations of every kind, which answer what their views got."""

from flask import Blueprint
from marshmallow import fields

from app.chat.client import Client
from app.errors import ChatServiceUnavailableError, InvalidParamsError
from app.principals import Account
from app.schemas import Answer, Body, Document, Paging, page_of, text
from app.web.bodies import gives, takes
from app.web.guards import company_scoped
from app.web.services import chat

REFUSAL = "company_id and name must be provided!"


class Seen(Answer):
    """What a view saw."""

    account = text("account-a1b2")
    given = fields.Dict()


class Name(Body):
    """A name."""

    refusal = REFUSAL
    name = text("Jane")


class People(Client):
    """A client that makes one POST."""

    def invite(self, account: Account) -> Document:
        """Invite somebody."""
        return self._ask("POST", f"/invite/{account.company_id}", Seen, document={})


def scratch() -> Blueprint:
    """Operations that answer what their views got."""
    blueprint = Blueprint("people", __name__, url_prefix="/v1")

    @blueprint.get("/list/<company_id>")
    @company_scoped(role="conversations", limit="2 per minute")
    @takes(Paging, location="query")
    @gives("Listed!", page_of(Seen), under="people")
    def list_people(account: Account, *, query: Document) -> Document:
        return {"account": account.id, "given": query}

    @blueprint.post("/add")
    @company_scoped(role="conversations", company_in="body")
    @takes(Name)
    @gives("Added!", Seen)
    def add_person(account: Account, *, body: Document) -> Document:
        return {"account": account.id, "given": body}

    @blueprint.put("/change/<contact_id>")
    @company_scoped(role="conversations", company_in="body")
    @takes(Paging, location="query")
    @takes(Name)
    @gives("Changed!", Seen)
    def change_person(account: Account, **given: object) -> Document:
        return {"account": account.id, "given": given}

    @blueprint.delete("/remove/<company_id>/<contact_id>")
    @company_scoped(role="conversations")
    @gives("Removed!", Seen)
    def remove_person(account: Account, *, contact_id: str) -> Document:
        return {"account": account.id, "given": {"contact_id": contact_id}}

    @blueprint.get("/fetch/<company_id>/<custom_field_id>")
    @company_scoped(role="conversations")
    @takes(Paging, location="query")
    @gives("Fetched!", Seen)
    def fetch_field(account: Account, *, custom_field_id: str, query: Document) -> Document:
        if query["page_number"] > 1:
            raise InvalidParamsError("This field has one page.")
        return {"account": account.id, "given": {"custom_field_id": custom_field_id}}

    @blueprint.post("/invite/<company_id>")
    @company_scoped(role="conversations")
    @takes(Name)
    @gives("Invited!", Seen)
    def invite_person(account: Account, *, body: Document) -> Document:  # noqa: ARG001 - not needed here
        try:
            chat(People).invite(account)
        finally:
            raise ChatServiceUnavailableError

    return blueprint
