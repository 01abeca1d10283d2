"""The chat service in our words: a message is sent, or not sent, or nobody knows."""

import json
import logging
from typing import Any, NoReturn

import requests
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.errors import (
    ChatServiceAuthError,
    ChatServiceBusyError,
    ChatServiceUnavailableError,
    ForbiddenError,
    InvalidConversationIdError,
    MessageRejectedError,
    SendOutcomeUnknownError,
    ServiceError,
)
from app.principals import Account
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NoAnswerError, NothingSentError

logger = logging.getLogger(__name__)

_BUSY = 429
# A 4xx is the chat service's word that it did not send. Those not listed here are a fault of ours.
_REFUSALS: dict[int, type[ServiceError]] = {
    400: MessageRejectedError,
    401: ChatServiceAuthError,
    403: ForbiddenError,
    404: InvalidConversationIdError,
    413: MessageRejectedError,
    422: MessageRejectedError,
}
_LONGEST_WAIT = 60


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


# Python's own reader takes NaN and infinities, which are not JSON.
_JSON = json.JSONDecoder(parse_constant=_no_json)


class _JsonBoolean(fields.Boolean):
    """True or false and nothing that resembles them; marshmallow's own takes 1 and "yes" as well."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - as marshmallow declares it
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class SentMessage(Schema):
    """Message as returned after a successful send."""

    class Meta:
        """Fields that the contract does not have are left out."""

        unknown = EXCLUDE

    conversation_id = fields.String(required=True)
    author = fields.String(required=True)
    body = fields.String(required=True)
    date_created = fields.String(required=True)
    is_me = _JsonBoolean(required=True)
    message_type = fields.String(required=True)
    sent_by_id = fields.String(required=True)
    sent_by_username = fields.String(required=True)
    message_id = fields.String(required=True)


class ChatService:
    """Sends messages; each call ends in one of three ways.

    It returns: sent. It raises SendOutcomeUnknownError: maybe sent. It raises another ServiceError: not sent.
    """

    def __init__(self, service: Service, slots: Slots) -> None:
        self._service = service
        self._slots = slots
        self._sent_message = SentMessage()

    def send(
        self, account: Account, conversation_id: str, text: str, *, key: str, correlation: Correlation
    ) -> dict[str, Any]:
        """Send the text in a conversation of the account's company and return the nine fields of SentMessage.

        `key` goes to the chat service as Idempotency-Key. Formats of fields are passed on, not judged.
        """
        with self._slots.taken():
            response = self._post(account, conversation_id, text, correlation.headers() | {"Idempotency-Key": key})
        if 200 <= response.status_code < 300:  # noqa: PLR2004 - successful (RFC 9110 section 15.3)
            return self._sent(response, conversation_id)
        raise _refusal(response)

    def _post(
        self, account: Account, conversation_id: str, text: str, headers: dict[str, str]
    ) -> requests.Response:
        path = f"/send-message/{account.company_id}/{conversation_id}"
        document = {"account_id": account.id, "message_body": text}
        try:
            return self._service.exchange("POST", path, document=document, headers=headers)
        except NothingSentError as error:
            logger.warning("chat service not reached", extra={"reason": error.reason})
            raise ChatServiceUnavailableError from error
        except NoAnswerError as error:
            logger.warning("chat service gave no answer", extra={"reason": error.reason})
            raise SendOutcomeUnknownError from error

    def _sent(self, response: requests.Response, conversation_id: str) -> dict[str, Any]:
        """The message, if the answer is complete, valid, and about the right conversation."""
        try:
            message: dict[str, Any] = self._sent_message.load(_JSON.decode(response.content.decode()))
        except (ValueError, RecursionError, ValidationError) as error:
            raise SendOutcomeUnknownError from error
        if message["conversation_id"].lower() != conversation_id:
            raise SendOutcomeUnknownError
        return message


def _refusal(response: requests.Response) -> ServiceError:
    """What an answer other than 2xx means."""
    status = response.status_code
    if not 400 <= status < 500:  # noqa: PLR2004 - client errors (RFC 9110 section 15.5)
        return SendOutcomeUnknownError()
    if status == _BUSY:
        return ChatServiceBusyError(retry_after=_wait(response.headers.get("Retry-After", "")))
    if status not in _REFUSALS:
        logger.error("chat service refused in an unforeseen way", extra={"upstream_status": status})
    return _REFUSALS.get(status, ChatServiceUnavailableError)()


def _wait(retry_after: str) -> int:
    """The chat service's Retry-After in seconds, between 1 and 60; dates and nonsense count as 1."""
    seconds = int(retry_after.lstrip("0")[:4] or 1) if retry_after.isascii() and retry_after.isdigit() else 1
    return min(max(seconds, 1), _LONGEST_WAIT)
