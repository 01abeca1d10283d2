"""Schemas and views that an operation may not have, each for a reason of its own."""

from collections.abc import Callable
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, fields

from app.schemas import Answer, Body, text
from tests.unit.web.declared import Name


class Company(Name):
    """A name of a company that it names."""

    company_id = text("acme")


class Renamed(Name):
    """A company by another name."""

    company = fields.String(attribute="company_id")


class Spelled(Name):
    """A company in another spelling."""

    target = fields.String(data_key="companyId")


class Dashed(Name):
    """A company as a header would have it."""

    target = fields.String(data_key="company-id")


class Acting(Name):
    """An account to act as."""

    account_id = text("jane")


class Posing(Name):
    """The same under another name."""

    sender = fields.String(data_key="accountId")


class Sharing(Name):
    """Accounts of others, who do not act."""

    members = fields.List(fields.Nested(Acting))


class Hidden(Name):
    """A company within."""

    where = fields.List(fields.Nested(Company))


class Careless(Name):
    """A part that refuses what it does not know."""

    part = fields.Nested(Schema.from_dict({"name": fields.String()}))


class Defaulted(Name):
    """A body that is not the same before and after its second field."""

    template_id = fields.String(load_default=None)


class Inclusive(Name):
    """A body that takes what it does not know."""

    class Meta:
        """A company, too."""

        unknown = INCLUDE


class Generous(Answer):
    """An answer that passes on what it does not know."""

    class Meta:
        """Whatever the chat service says."""

        unknown = INCLUDE


class Within(Name):
    """A body that takes what a part of it does not know."""

    parts = fields.List(fields.Nested(Name, unknown=INCLUDE))


class Strict(Name):
    """A body that refuses what it does not know, as newer editions of the API have it."""

    class Meta:
        """Whatever is new."""

        unknown = RAISE


class Speechless(Body):
    """A body without a refusal."""


def asynchronous(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view that nobody awaits."""

    async def view(account: object, **_: object) -> None:
        """Do it."""

    return view


def narrow(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view that takes its account alone."""

    def view(account: object) -> None:
        """Do it."""

    return view


def silent(_: Callable[..., Any]) -> Callable[..., Any]:
    """A view without a docstring."""
    return lambda account, **_: {"account": account}
