"""Conversations in the chat service: sending a message."""

from app.chat.client import REJECTED, Client, Refusals
from app.errors import InvalidConversationIdError, SendOutcomeUnknownError
from app.principals import Account
from app.schemas import Answer, Document, JsonBoolean, text
from app.upstream.exchange import OTHER_CONVERSATION

_REFUSALS: Refusals = {**REJECTED, 404: InvalidConversationIdError}


class SentMessage(Answer):
    """Message as returned after a successful send (chat service response)."""

    conversation_id = text("b2c3d4e5-f6a7-8901-bcde-f12345678901", format="uuid")
    author = text("Jane Doe", description="Display name of the message author")
    body = text("Hi — this is a test message from the api-doc send endpoint.", description="Message text")
    date_created = text("2025-03-23T18:30:00.000Z", format="date-time")
    is_me = JsonBoolean(
        required=True,
        metadata={"example": True, "description": "Whether the message was sent by the authenticated account"},
    )
    message_type = text("sms_message", description="Channel/type of the message")
    sent_by_id = text("d4e5f6a7-b8c9-0123-def1-234567890123", description="Account ID of the sender")
    sent_by_username = text("Jane Doe")
    message_id = text(
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890", description="Unique message identifier from the chat service"
    )


class Conversations(Client):
    """The chat service's operations on conversations."""

    def send(self, account: Account, conversation_id: str, text: str) -> Document:
        """Send the text in a conversation of the account's company and return the nine fields of SentMessage.

        Returning means sent, SendOutcomeUnknownError means maybe sent, and any other ServiceError means not sent.
        Field formats are passed on without validation.
        """
        message = self._ask(
            "POST",
            f"/send-message/{account.company_id}/{conversation_id}",
            SentMessage,
            document={"account_id": account.id, "message_body": text},
            refusals=_REFUSALS,
            unclear=SendOutcomeUnknownError,
        )
        # A response about another conversation does not prove that this message was sent.
        if message["conversation_id"].lower() != conversation_id:
            raise SendOutcomeUnknownError(reason=OTHER_CONVERSATION)
        return message
