"""The operations of the application, and a caller that knows of each only what it declares."""

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.web.application import Application
from app.web.declarations import Operation
from app.web.reference.document import body_of, example_of
from app.web.reference.published import ANOTHER_ID, IDS
from config.settings import load
from tests.conftest import ENVIRON
from tests.documented import CheckedClient
from tests.people import ACME, GLOBEX, account, bearer
from tests.wire import Wire, reply

_APP = create_app(load(ENVIRON), transport=Wire())
assert isinstance(_APP, Application)
OPERATIONS = [*_APP.monitor.operations]
every = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
with_body = pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.body], ids=str)
senders = pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.declaration.sends], ids=str)


def told(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and sentence."""
    return answer.status_code, answer.get_json()["code"], answer.get_json()["error"]


class Scratch:
    """An application with the services behind it, and a caller who does all that an operation asks for.

    The member has its role, and the services behind answer what it says that it gives.
    """

    def __init__(self, operation: Operation, **environ: str) -> None:
        self.operation = operation
        self.wire = Wire()
        self.accounts = {
            "a-member": [account(ACME, roles=[operation.declaration.role])],
            "one-of-another-company": [account(GLOBEX, roles=[operation.declaration.role])],
            "one-made-inactive": [account(ACME, roles=[operation.declaration.role], active=False)],
            "one-without-the-role": [account(ACME, roles=["another"])],
        }
        self.wire.answer_accounts = lambda user: reply(200, {"accounts": self.accounts[user]})
        self.wire.answer_chat = lambda *_: reply(200, self.given)
        self.client = CheckedClient(create_app(load({**ENVIRON, **environ}), transport=self.wire))

    @property
    def given(self) -> dict[str, Any]:
        """What the operation gives when all is well."""
        assert self.operation.declaration.gives is not None
        return example_of(self.operation.declaration.gives)

    @property
    def body(self) -> dict[str, Any] | None:
        """A body that it takes, if it takes one."""
        schema = body_of(self.operation)
        return example_of(schema) if schema else None

    @property
    def query(self) -> dict[str, Any]:
        """A query that it takes."""
        return example_of(self.operation.declaration.query) if self.operation.declaration.query else {}

    def call(
        self,
        user: str | None = "a-member",
        ids: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> TestResponse:
        """Make a good request, but for what is given here; `ids` are in the path or in the body."""
        path = re.sub("<(.+?)>", lambda part: self._id(part[1], ids or {}), self.operation.rule)
        if "data" not in request and "json" not in request and self.body is not None:
            in_body = {name: value for name, value in (ids or {}).items() if name not in self.operation.ids}
            request["json"] = {**self.body, **in_body}
        request.setdefault("query_string", self.query)
        return self.client.open(
            path,
            method=self.operation.method,
            headers={**(bearer(user) if user else {}), **(headers or {})},
            **request,
        )

    @staticmethod
    def _id(name: str, ids: dict[str, str]) -> str:
        return ids.get(name, IDS.get(name, ANOTHER_ID))
