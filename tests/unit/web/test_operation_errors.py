"""What an operation can end in: its page lists these errors, and its metrics begin with them."""

from dataclasses import replace

import pytest

from app.errors import every_error
from app.web.declarations import Operation
from tests.conventions.operations import OPERATIONS

(SEND,) = [operation for operation in OPERATIONS if operation.name == "send_message"]
EVERY = {error.code for error in every_error()}
OF_SENDS = {error.code for error in every_error() if error.of_sends}
# Of paths and methods that are no operation's.
NOWHERE = {"NOT_FOUND", "METHOD_NOT_ALLOWED"}


@pytest.mark.parametrize(
    ("operation", "others"),
    [
        (SEND, {"INVALID_ID"}),
        (replace(SEND, declaration=replace(SEND.declaration, sends=False)), {"INVALID_ID", *OF_SENDS}),
        (replace(SEND, declaration=replace(SEND.declaration, body=None)), {"INVALID_ID", "BODY_TOO_LARGE"}),
        (replace(SEND, ids=("company_id",)), {"INVALID_ID", "INVALID_CONVERSATION_ID"}),
        (replace(SEND, ids=("company_id", "contact_id")), {"INVALID_CONVERSATION_ID"}),
        (replace(SEND, ids=("company_id", "conversation_id", "contact_id")), set()),
    ],
    ids=["a send", "no send", "no body", "no other id", "another id", "two other ids"],
)
def test_an_operation_ends_in_what_its_declaration_leaves(operation: Operation, others: set[str]) -> None:
    """All errors but those of ids, a body or a message that it does not have."""
    assert {error.code for error in operation.errors} == EVERY - NOWHERE - others
