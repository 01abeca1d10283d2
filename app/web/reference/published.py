"""What the published document says of the whole API, whatever its operations: the structure is the contract's."""

from typing import Any

from app.errors import (
    ForbiddenError,
    InternalError,
    RateLimitExceededError,
    ServiceError,
    UnauthorizedError,
)
from app.version import VERSION

TITLE = "SalesCaptain API Documentation Service"
OPENAPI = "3.0.3"

# Paths that the examples of shared answers have, and the sentence of the failure there.
_PATH, _PROBLEM = "/v1/fetch-companies", "Problem encountered while fetching companies!"

ABOUT: dict[str, Any] = {
    "info": {
        "title": TITLE,
        "version": VERSION,
        "description": "The SalesCaptain API: what it takes, what it answers, and what to do then.",
        "contact": {"name": "SalesCaptain API Team", "email": "support@salescaptain.com"},
        "license": {"name": "Proprietary", "url": "https://salescaptain.com/license"},
    },
    "servers": [{"url": "https://api.salescaptain.com", "description": "Production"}],
    "security": [{"BearerAuth": []}],
    "externalDocs": {
        "description": "Documentation of the SalesCaptain API",
        "url": "https://docs.salescaptain.com",
    },
    "tags": [
        {"name": "Health", "description": "Whether the service is there and ready"},
        {"name": "Companies", "description": "Companies and how to find them"},
        {"name": "Accounts", "description": "Accounts of users in companies"},
        {"name": "Conversation Profiles", "description": "Profiles that channels of communication have"},
        {"name": "Conversations", "description": "Conversations and their messages"},
        {"name": "Contacts", "description": "The people that companies speak with"},
        {"name": "Custom Fields", "description": "Fields that a company defines for itself"},
    ],
}
TAGS = [tag["name"] for tag in ABOUT["tags"]]

BEARER_AUTH = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the SalesCaptain authentication service.",
}

ERROR: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong; go by `code`",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "A sentence to read", "example": "Invalid request parameters"},
        "code": {"type": "string", "description": "A word to program by", "example": "INVALID_PARAMS"},
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened, in UTC",
            "example": "2023-12-01T10:30:00Z",
        },
        "path": {"type": "string", "description": "Path of the request", "example": _PATH},
    },
}

# An example of each id; other ids have the last.
IDS = {
    "company_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "conversation_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
}
ANOTHER_ID = "c3d4e5f6-a7b8-9012-cdef-123456789012"

SENDING = """\
Give each message an `Idempotency-Key` (a header: 1 to 255 of `A-Z a-z 0-9 . _ : -`). Repeated under its key it is
sent at most once; a repetition of a message that was sent gets the first answer again, with
`Idempotent-Replayed: true`.

Every answer after authentication says what became of the message, in the header `X-Send-Outcome` and, on errors,
in `send_outcome`: `sent`, `not_sent` (mend the request, or repeat it after `Retry-After`), or `unknown` (look into
the conversation before you repeat it)."""


def _header(description: str, example: int) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "example": example}}


def _failure(description: str, kind: type[ServiceError], sentence: str | None = None) -> dict[str, Any]:
    example = {
        "error": sentence or kind.sentence,
        "code": kind.code,
        "timestamp": ERROR["properties"]["timestamp"]["example"],
        "path": _PATH,
    }
    return {
        "description": description,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example},
        },
    }


RESPONSES: dict[str, Any] = {
    "UnauthorizedError": _failure("There is no token, or it is not valid", UnauthorizedError),
    "ForbiddenError": _failure("The account is inactive or lacks a role", ForbiddenError),
    "RateLimitError": {
        **_failure("Too many requests: wait for `Retry-After` seconds", RateLimitExceededError),
        "headers": {
            "X-RateLimit-Limit": _header("How many requests a window admits", 30),
            "X-RateLimit-Remaining": _header("How many are left", 0),
            "X-RateLimit-Reset": _header("When the next one is free, in seconds since 1970", 1701425400),
        },
    },
    "InternalServerError": _failure("Something behind the API failed", InternalError, _PROBLEM),
}
# Which of them every company-scoped operation has.
SHARED = {
    "401": "UnauthorizedError",
    "403": "ForbiddenError",
    "429": "RateLimitError",
    "500": "InternalServerError",
}
