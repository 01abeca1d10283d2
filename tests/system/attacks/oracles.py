"""What no answer may be, whoever asked for it."""

import json
from collections.abc import Iterator

from tests.system.attacks.ground import secrets_in
from tests.system.clients import Answer

# Also held of every route by tests/conventions/test_headers.py.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Content-Type": "application/json",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REALM = 'Bearer realm="SalesCaptain API"'
ERROR_FIELDS = {"error", "code", "timestamp", "path", "request_id"}
AFTER_AUTHENTICATION = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Send-Outcome")


def blemishes(answer: Answer, *statuses: int) -> Iterator[str]:
    """What is wrong with it by itself: its status, form and headers, and secrets in a refusal."""
    if answer.status not in statuses:
        yield f"{answer.status}"
    for name, value in HEADERS.items():
        if answer.headers.get_all(name) != [value]:
            yield f"{answer.status} with {name} {answer.headers.get_all(name)}"
    for name in ("Location", "Set-Cookie"):
        if name in answer.headers:
            yield f"{answer.status} with {name}"
    if answer.status != 200:
        yield from _bad(answer)


def _bad(answer: Answer) -> Iterator[str]:
    try:
        document = json.loads(answer.body)
    except ValueError:
        yield f"{answer.status} that is not JSON"
        return
    if not isinstance(document, dict) or not set(document) >= ERROR_FIELDS:
        yield f"{answer.status} with {document}"
        return
    # The path is the caller's own.
    told = f"{answer.headers}{document | {'path': ''}}"
    yield from (f"{secret} in a {answer.status}" for secret in secrets_in(told))


def no_entry(answer: Answer, *, presented: bool) -> Iterator[str]:
    """What is wrong with the answer to somebody without a good token (RFC 6750 section 3)."""
    yield from blemishes(answer, 401)
    challenge = REALM + (', error="invalid_token"' if presented else "")
    if answer.headers.get_all("WWW-Authenticate") != [challenge]:
        yield f"WWW-Authenticate: {answer.headers.get_all('WWW-Authenticate')}"
    told = [name for name in (*AFTER_AUTHENTICATION, "Retry-After") if name in answer.headers]
    if told:
        yield f"401 with {told}"
