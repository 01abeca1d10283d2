"""What the decorators of a view say of it, in one record that the guard, the documents and the tests read."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from marshmallow import Schema

from app.errors import IncompleteError
from app.schemas import Body, Query

View = TypeVar("View", bound=Callable[..., Any])
Place = Literal["url", "body"]


class DeclarationError(Exception):
    """An operation is not declared as it must be; a line for each problem names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """All that is said of one operation. `role` is None without a guard, `limit` where the setting holds.

    `decorators` are those that said it, the one next to the view first. It is said of `view` alone: what is put
    around that later is another, of which nothing is known, whatever `functools.wraps` copies.
    """

    view: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    public: bool = False
    role: str | None = None
    company_in: Place = "url"
    limit: str | None = None
    body: type[Body] | None = None
    query: type[Query] | None = None
    sends: bool = False
    message: str = ""
    gives: type[Schema] | None = None
    under: str = "data"
    decorators: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """What is told to whoever leaves out something that the operation needs."""
        schema = self.body or self.query
        return schema.refusal if schema else IncompleteError.sentence


def public(view: View) -> View:
    """Say that everybody may call this view: without a token, without a limit."""
    return declare(view, view, "public", public=True)


def declare(inner: Callable[..., Any], outer: View, decorator: str, **said: Any) -> View:  # noqa: ANN401 - of fields
    """Note on `outer` what is said of `inner`, and what this decorator adds to it."""
    before = declaration_of(inner)
    decorators = (*before.decorators, decorator)
    vars(outer)["declaration"] = replace(before, decorators=decorators, view=outer, **said)
    return outer


def declaration_of(view: Callable[..., Any]) -> Declaration:
    """What has been said of the view."""
    found: Declaration = getattr(view, "declaration", Declaration())
    return found if found.view is view else Declaration()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, the view that answers it, and what is said of it.

    It `is_plain` where nothing but path and method decides who gets there, and nothing but the caller gives ids.
    """

    method: str
    rule: str
    endpoint: str
    ids: tuple[str, ...]
    view: Callable[..., Any]
    said: Declaration
    is_plain: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.rule} ({self.endpoint})"

    @property
    def name(self) -> str:
        """The name of its view: `send_message`."""
        return self.endpoint.rpartition(".")[2]
