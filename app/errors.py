"""Every failure that a caller can be told about: its status, its code and its sentence.

ServiceError
├── BadRequestError                    400  the request is wrong: repeat it changed
│   ├── IncompleteError                the sentence is the route's own: what it needs
│   │   ├── InvalidParamsError         the body or the query cannot be read or lacks something
│   │   ├── BodyTooLargeError
│   │   └── NoAccountError             the user has no account in the company
│   ├── InvalidIdError
│   ├── InvalidCompanyIdError
│   ├── InvalidConversationIdError
│   ├── MessageRejectedError           the chat service refuses this message
│   ├── IdempotencyKeyInvalidError     the key is not written as a key
│   └── IdempotencyKeyReusedError      the key was given with another message
├── UnauthorizedError                  401  get a valid token
├── ForbiddenError                     403  ask for the permission
├── NotFoundError                      404
├── MethodNotAllowedError              405
├── TooManyRequestsError               429  wait for Retry-After, then repeat
│   ├── RateLimitExceededError
│   ├── ChatServiceBusyError
│   └── IdempotencyInProgressError     the first send under the key is not over
└── ServerError                        500
    ├── InternalError                  a fault of ours
    ├── AuthUnavailableError           no key could be loaded yet
    ├── OverloadedError                too many requests wait for other services
    ├── AccountServiceUnavailableError
    ├── ChatServiceUnavailableError    not sent: repeat it
    ├── ChatServiceAuthError           not sent: our credential is refused
    ├── IdempotencyUnavailableError    not sent: keys cannot be kept
    └── SendOutcomeUnknownError        maybe sent: look before you repeat

Sentences are ours. Nothing that another service, a library or a token said goes into them.
"""

from typing import ClassVar, Literal

Outcome = Literal["sent", "not_sent", "unknown"]


class ServiceError(Exception):
    """A failure with an answer of its own; its subclasses are the whole list.

    `outcome` is what became of the message when the failure ends a send; `of_sends` marks what nothing but a
    send can end in, `only_in` the views, by name, that alone can end in it. `retry_after` is in whole seconds,
    at least 1, or None where repeating is not known to be safe or useful. `reason` is one word on why, for logs
    and metrics; the code where there is no better one.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    of_sends: ClassVar[bool] = False
    only_in: ClassVar[frozenset[str]] = frozenset()
    sentence: str
    outcome: Outcome = "not_sent"
    retry_after: int | None = None

    def __init__(
        self,
        sentence: str | None = None,
        *,
        retry_after: int | None = None,
        reason: str | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.sentence = sentence or self.sentence
        self.outcome = outcome or self.outcome
        self.retry_after = retry_after or self.retry_after
        self.reason = reason or self.code
        super().__init__(self.sentence)


def every_error(kind: type[ServiceError] = ServiceError) -> list[type[ServiceError]]:
    """All failures with a code, in the order of the tree."""
    found = [kind] if hasattr(kind, "code") else []
    return found + [error for child in kind.__subclasses__() for error in every_error(child)]


class BadRequestError(ServiceError):
    """The request is wrong and will be refused again if it is repeated unchanged."""

    status = 400


class IncompleteError(BadRequestError):
    """Something that the route needs is missing; the guard puts in the route's sentence, which names it all."""

    sentence = "company_id and account_id must be provided!"


class InvalidParamsError(IncompleteError):
    """The body or the query is missing, unreadable, or lacks something that the route needs."""

    code = "INVALID_PARAMS"


class BodyTooLargeError(IncompleteError):
    """The body is larger than the service takes (64 KB unless set otherwise)."""

    code = "BODY_TOO_LARGE"


class NoAccountError(IncompleteError):
    """The user has no account in the company, whether or not the company exists."""

    code = "NO_ACCOUNT"


class InvalidIdError(BadRequestError):
    """Another id of the path is not written as 8-4-4-4-12 hexadecimal digits, or names nothing in the company."""

    code = "INVALID_ID"
    sentence = "Invalid ID"


class InvalidCompanyIdError(BadRequestError):
    """The company id is not written as 8-4-4-4-12 hexadecimal digits."""

    code = "INVALID_COMPANY_ID"
    sentence = "Invalid company ID"


class InvalidConversationIdError(BadRequestError):
    """The conversation id is not written as 8-4-4-4-12 hexadecimal digits, or names no conversation."""

    code = "INVALID_CONVERSATION_ID"
    sentence = "Invalid conversation ID"


class MessageRejectedError(BadRequestError):
    """The chat service refuses the message itself (400, 413, 422)."""

    code = "MESSAGE_REJECTED"
    of_sends = True
    sentence = "The chat service does not accept this message; change it before you send it again."


class IdempotencyKeyInvalidError(BadRequestError):
    """The Idempotency-Key is not one value of 1 to 255 characters of its alphabet."""

    code = "IDEMPOTENCY_KEY_INVALID"
    of_sends = True
    sentence = "Idempotency-Key takes one value of 1 to 255 characters: letters, digits and . _ : -"


class IdempotencyKeyReusedError(BadRequestError):
    """The Idempotency-Key is known with another conversation or message."""

    code = "IDEMPOTENCY_KEY_REUSED"
    of_sends = True
    sentence = "This Idempotency-Key was used for another message; nothing was sent, take a new key."


class UnauthorizedError(ServiceError):
    """There is no token, or it is not valid.

    The answer does not say what is wrong with it (RFC 6750 section 3.1).
    """

    status = 401
    code = "UNAUTHORIZED"
    sentence = "Unauthorized access"

    def __init__(self, *, presented: bool = True) -> None:
        self.presented = presented
        super().__init__()


class ForbiddenError(ServiceError):
    """The account is inactive or lacks the role, or the chat service forbids this."""

    status = 403
    code = "FORBIDDEN"
    sentence = "Forbidden access"


class NotFoundError(ServiceError):
    """No route has this path."""

    status = 404
    code = "NOT_FOUND"
    sentence = "There is nothing at this path."


class MethodNotAllowedError(ServiceError):
    """The path exists, the method does not; `Allow` lists those that do (RFC 9110 section 15.5.6)."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    sentence = "This path does not take this method; the Allow header lists those it takes."

    def __init__(self, allow: str) -> None:
        self.allow = allow
        super().__init__()


class TooManyRequestsError(ServiceError):
    """The request came too soon: it is welcome after `retry_after` seconds."""

    status = 429
    sentence = "Too many requests, please try again later"
    retry_after = 1


class RateLimitExceededError(TooManyRequestsError):
    """The limit is used up."""

    code = "RATE_LIMIT_EXCEEDED"


class ChatServiceBusyError(TooManyRequestsError):
    """The chat service asks for a pause (429)."""

    code = "CHAT_SERVICE_BUSY"


class IdempotencyInProgressError(TooManyRequestsError):
    """The first request with this Idempotency-Key is still under way."""

    code = "IDEMPOTENCY_IN_PROGRESS"
    of_sends = True


class ServerError(ServiceError):
    """Something behind the API failed; the caller's request was in order.

    Where nothing was sent, an answer of a route that sends says so behind the sentence.
    """

    status = 500
    sentence = "Problem encountered while handling the request!"
    retry_after: int | None = 1


class InternalError(ServerError):
    """A fault of ours; report the `request_id`."""

    code = "INTERNAL_ERROR"


class AuthUnavailableError(ServerError):
    """No key could be loaded yet, or none for too long, so no token can be checked."""

    code = "AUTH_UNAVAILABLE"
    sentence = "Tokens cannot be checked at the moment, please try again later."
    retry_after = 5


class OverloadedError(ServerError):
    """The service is busy: as many requests as may wait for other services already do."""

    code = "OVERLOADED"
    sentence = "The service is busy, please try again later."


class AccountServiceUnavailableError(ServerError):
    """The account service could not be asked."""

    code = "ACCOUNT_SERVICE_UNAVAILABLE"
    sentence = "Your account cannot be looked up at the moment, please try again later."
    retry_after = 2


class ChatServiceUnavailableError(ServerError):
    """The chat service could not be reached, or refused in a way that is not the caller's fault."""

    code = "CHAT_SERVICE_UNAVAILABLE"
    sentence = "The chat service is not available at the moment, please try again later."
    retry_after = 2


class ChatServiceAuthError(ServerError):
    """The chat service refused our credential (401)."""

    code = "CHAT_SERVICE_AUTH"
    sentence = "The chat service refused this service's credential."
    retry_after = 60


class IdempotencyUnavailableError(ServerError):
    """Keys cannot be kept at the moment; nothing was sent. Without a key, sends go on."""

    code = "IDEMPOTENCY_UNAVAILABLE"
    of_sends = True
    sentence = "Idempotency-Key cannot be honoured at the moment, please try again later."
    retry_after = 2


class SendOutcomeUnknownError(ServerError):
    """The chat service had at least a byte of the request and gave no valid answer to it."""

    code = "SEND_OUTCOME_UNKNOWN"
    of_sends = True
    sentence = "The message may have been sent; look into the conversation before you send it again."
    outcome = "unknown"
    retry_after = None
