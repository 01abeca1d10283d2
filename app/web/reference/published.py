"""The parts of the OpenAPI document that all operations share; the contract prescribes their structure."""

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

# The path in the examples of shared responses, and the error sentence of a 500 there.
_PATH, _PROBLEM = "/v1/fetch-companies", "Problem encountered while fetching companies!"

ABOUT: dict[str, Any] = {
    "info": {
        "title": TITLE,
        "version": VERSION,
        "description": "The SalesCaptain API: what it takes, what it answers, and what to do then.",
        "contact": {"name": "SalesCaptain API Team", "email": "support@salescaptain.com"},
        "license": {"name": "Proprietary", "url": "https://salescaptain.com/license"},
    },
    "servers": [{"url": "https://api.salescaptain.com", "description": "Production server"}],
    "security": [{"BearerAuth": []}],
    "externalDocs": {
        "description": "SalesCaptain API Documentation",
        "url": "https://docs.salescaptain.com",
    },
    "tags": [
        {"name": "Health", "description": "Service health and status endpoints"},
        {"name": "Companies", "description": "Company management and retrieval operations"},
        {"name": "Accounts", "description": "Account management and retrieval operations"},
        {
            "name": "Conversation Profiles",
            "description": "Conversation profile management for communication channels",
        },
        {"name": "Conversations", "description": "Conversation management and retrieval operations"},
        {"name": "Contacts", "description": "Contact management and retrieval operations"},
        {"name": "Custom Fields", "description": "Custom field definition management"},
    ],
}

BEARER_AUTH = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "Authentication token, obtained from the main SalesCaptain authentication service.",
}

ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Error response object; decide by its `code`",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "Error message", "example": "Invalid request parameters"},
        "code": {
            "type": "string",
            "description": "Error code for programmatic handling",
            "example": "INVALID_PARAMS",
        },
        "timestamp": {
            "type": "string",
            "format": "date-time",
            "description": "Timestamp when the error occurred, in UTC",
            "example": "2023-12-01T10:30:00Z",
        },
        "path": {"type": "string", "description": "API endpoint path where the error occurred", "example": _PATH},
    },
}

# Examples of ids; ANOTHER_ID is for all others.
IDS = {
    "company_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "conversation_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
}
ANOTHER_ID = "c3d4e5f6-a7b8-9012-cdef-123456789012"

SENDING = """\
Give each message an `Idempotency-Key` (a header: 1 to 255 of `A-Z a-z 0-9 . _ : -`). Repeated under its key it is
sent at most once; repeating a message that was sent gets the first answer again, with
`Idempotent-Replayed: true`.

Every answer after authentication says what became of the message, in the header `X-Send-Outcome` and, on errors,
in `send_outcome`: `sent`, `not_sent` (correct the request, or repeat it after `Retry-After`), or `unknown` (check
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
    "UnauthorizedError": _failure("Authentication token is missing or invalid", UnauthorizedError),
    "ForbiddenError": _failure(
        "Access forbidden: valid token but insufficient permissions, or an inactive account", ForbiddenError
    ),
    "RateLimitError": {
        **_failure("Rate limit exceeded: wait for `Retry-After` seconds", RateLimitExceededError),
        "headers": {
            "X-RateLimit-Limit": _header("Request limit per time window", 30),
            "X-RateLimit-Remaining": _header("Remaining requests in current window", 0),
            "X-RateLimit-Reset": _header("Time when the next request is free, in seconds since 1970", 1701425400),
        },
    },
    "InternalServerError": _failure("Internal server error: go by `code`", InternalError, _PROBLEM),
}
# The responses of every company-scoped operation.
SHARED = {
    "401": "UnauthorizedError",
    "403": "ForbiddenError",
    "429": "RateLimitError",
    "500": "InternalServerError",
}
