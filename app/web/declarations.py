"""The declaration that a view's decorators make: one record, read by the guard, the documents and the tests."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from marshmallow import Schema

from app.errors import (
    BodyTooLargeError,
    IncompleteError,
    InvalidConversationIdError,
    InvalidIdError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceError,
    every_error,
)
from app.schemas import Body, Query

View = TypeVar("View", bound=Callable[..., Any])
Place = Literal["url", "body"]


class DeclarationError(Exception):
    """Operations are declared wrongly; the text has a line per problem, naming the operation and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The declaration of one operation. `role` is None without a guard, `limit` where RATE_LIMIT applies.

    `decorators` lists the names of its decorators, innermost first. The declaration holds for `view` alone: a
    wrapper added later counts as undeclared, although `functools.wraps` copies the attribute.
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
        """The error sentence for a request that lacks something the operation requires."""
        schema = self.body or self.query
        return schema.refusal if schema else IncompleteError.sentence


def public(view: View) -> View:
    """Declare that anybody may call this view, without a token and without a rate limit."""
    return declare(view, view, "public", public=True)


def declare(inner: Callable[..., Any], outer: View, decorator: str, **more: Any) -> View:  # noqa: ANN401 - any field
    """Attach to `outer` the declaration of `inner`, extended by this decorator's fields; returns `outer`."""
    before = declaration_of(inner)
    decorators = (*before.decorators, decorator)
    vars(outer)["declaration"] = replace(before, decorators=decorators, view=outer, **more)
    return outer


def declaration_of(view: Callable[..., Any]) -> Declaration:
    """Return the view's declaration, an empty one if it has none."""
    found: Declaration = getattr(view, "declaration", Declaration())
    return found if found.view is view else Declaration()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with its view and its declaration.

    `is_plain` means that path and method alone select it, and that all ids come from the caller, none from
    defaults.
    """

    method: str
    rule: str
    endpoint: str
    ids: tuple[str, ...]
    view: Callable[..., Any]
    declaration: Declaration
    is_plain: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.rule} ({self.endpoint})"

    @property
    def name(self) -> str:
        """The name of the view, such as `send_message`."""
        return self.endpoint.rpartition(".")[2]

    @property
    def errors(self) -> list[type[ServiceError]]:
        """The errors that it can end in, in the order of their tree."""
        return [kind for kind in every_error() if self._can_end_in(kind)]

    def _can_end_in(self, kind: type[ServiceError]) -> bool:
        if kind.only_in and self.name not in kind.only_in:
            return False
        others = {*self.ids} - {"company_id", "conversation_id"}
        return {
            NotFoundError: False,
            MethodNotAllowedError: False,
            BodyTooLargeError: self.declaration.body is not None,
            InvalidConversationIdError: "conversation_id" in self.ids,
            InvalidIdError: bool(others),
        }.get(kind, self.declaration.sends or not kind.of_sends)
