"""Conversations: sending a message in one."""

from flask import Blueprint
from marshmallow import fields

from app.chat.conversations import Conversations, SentMessage
from app.principals import Account
from app.schemas import Body, Document, not_blank
from app.web.bodies import gives, takes
from app.web.guards import company_scoped
from app.web.sending import sends
from app.web.services import chat

blueprint = Blueprint("conversations", __name__, url_prefix="/v1")


class NewMessage(Body):
    """What the caller wants to say."""

    refusal = "conversation_id, account_id, and message_body must be provided!"

    message_body = fields.String(
        required=True,
        validate=not_blank,
        metadata={
            "description": "Text of the message; something other than white space",
            "example": "Hi — this is a test message from the api-doc send endpoint.",
        },
    )


@blueprint.post("/send-message/<company_id>/<conversation_id>")
@company_scoped(role="conversations")
@takes(NewMessage)
@sends
@gives("Message sent successfully!", SentMessage)
def send_message(account: Account, *, conversation_id: str, body: Document) -> Document:
    """Send a message in a conversation.

    Sends a text in the conversation, through your own account in the company: the account is found by your token
    and the `company_id` of the path, you do not name it. The chat service gets the account, the company, the
    conversation and the text.
    """
    return chat(Conversations).send(account, conversation_id, body["message_body"])
