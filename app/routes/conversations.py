"""Conversations: sending a message in one."""

from typing import Any

from flask import Blueprint
from marshmallow import fields

from app.chat import SentMessage
from app.principals import Account
from app.web.bodies import Body, gives, not_blank, takes
from app.web.guards import company_scoped
from app.web.sending import sends
from app.web.services import chat

blueprint = Blueprint("conversations", __name__, url_prefix="/v1")


class NewMessage(Body):
    """What the caller wants to say."""

    refusal = "conversation_id, account_id, and message_body must be provided!"

    message_body = fields.String(
        required=True, validate=not_blank, metadata={"description": "Plain text body of the message to send"}
    )


@blueprint.post("/send-message/<company_id>/<conversation_id>")
@company_scoped(role="conversations")
@takes(NewMessage)
@sends
@gives("Message sent successfully!", SentMessage)
def send_message(account: Account, *, conversation_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a message in a conversation."""
    return chat().send(account, conversation_id, body["message_body"])
