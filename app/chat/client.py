"""Calls to the chat service: take a slot, make one exchange, map its result to a document or an error."""

import json
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, partial
from urllib.parse import urlencode

import requests
from marshmallow import Schema, ValidationError

from app.errors import (
    ChatServiceAuthError,
    ChatServiceBusyError,
    ChatServiceUnavailableError,
    ForbiddenError,
    InternalError,
    MessageRejectedError,
    Outcome,
    ServiceError,
)
from app.schemas import Document
from app.strict_json import refuse_constant
from app.upstream.exchange import INVALID_ANSWER, Correlation, Service, status_class
from app.upstream.transport import NoAnswerError, NothingSentError

logger = logging.getLogger(__name__)

Refusals = Mapping[int, type[ServiceError]]
# Makes the error, with its reason, of a request that nobody knows the end of.
Doubt = Callable[..., ServiceError]

# What a message is refused with: each route that sends adds these to its `refusals`.
REJECTED: Refusals = {400: MessageRejectedError, 413: MessageRejectedError, 422: MessageRejectedError}
_BUSY = 429
_REFUSALS: Refusals = {401: ChatServiceAuthError, 403: ForbiddenError}
_LONGEST_WAIT = 60
# In all else as lenient as Python: a message is sent, however oddly its answer is written.
_JSON = json.JSONDecoder(parse_constant=refuse_constant)
# Words and ids. A gateway may resolve `../` or `%2e%2e%2f` in a caller's text, and so reach the data of others.
_PATH = re.compile(r"(?:/[A-Za-z0-9_-]+)+")


class Client:
    """A chat service client for one request; each subclass makes the calls for one tag of the API.

    Every call names the company that the guard admitted the caller to, `company_id`: without it the chat service
    could not tell whose data is meant. `correlation` goes with every call, and `key`, as Idempotency-Key, with a
    POST, which must be done only once. No call may follow it: a second POST would be taken for a repeat, and a
    failure be reported as the first's.
    """

    def __init__(self, service: Service, company_id: str, correlation: Correlation, key: str) -> None:
        self._service = service
        self._company_id = company_id
        self._correlation = correlation
        self._key = key

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[Schema],
        *,
        query: Mapping[str, object] | None = None,
        document: object = None,
        refusals: Refusals | None = None,
        unclear: type[ServiceError] | None = None,
    ) -> Document:
        """Make one request and return the response body as loaded by the schema.

        `path` has words and ids; all other values go into `query` or `document`, where they are encoded. The
        company's id is in `path`, or is `company_id` in `query`.
        A 4xx means that the service did nothing. `refusals` adds errors for 4xx statuses; any other 4xx is logged
        as a fault of ours. Everything else but a complete, valid 2xx raises `unclear`, with outcome `unknown`
        unless it was a GET; its default says whether the request may be repeated, which a POST may not. Also
        raises ChatServiceUnavailableError (nothing was sent), OverloadedError, and RuntimeError after a POST,
        for any other path, or without the company's id.
        """
        self._check(path, query)
        unclear = unclear or (InternalError if method == "POST" else ChatServiceUnavailableError)
        # A GET asks for nothing to be done (RFC 9110 section 9.2.1).
        doubt = partial(unclear, outcome=None if method == "GET" else "unknown")
        self._correlation.posted = "unknown" if method == "POST" else None
        try:
            with self._service.slots:
                response = self._exchange(method, f"{path}?{urlencode(query)}" if query else path, document, doubt)
            if 200 <= response.status_code < 300:  # noqa: PLR2004 - successful (RFC 9110 section 15.3)
                found = _load(answer, response.content, doubt)
                self._prove(method, "sent")
                return found
            raise _refusal(response, {**_REFUSALS, **(refusals or {})}, doubt, self._correlation.request_id)
        except ServiceError as error:
            self._prove(method, error.outcome)
            raise

    def _check(self, path: str, query: Mapping[str, object] | None) -> None:
        """Raise RuntimeError for a call that could do harm: each is a mistake in a route."""
        if not _PATH.fullmatch(path):
            raise RuntimeError("a path has words and ids alone: put other values into `query` or `document`")
        # No field that a caller fills can have this name.
        if self._company_id not in path and (query or {}).get("company_id") != self._company_id:
            raise RuntimeError("name the company, in `path` or as `company_id` in `query`: it may be another's")
        if self._correlation.posted:
            raise RuntimeError("ask for whatever a POST needs before it, and nothing after it")

    def _prove(self, method: str, outcome: Outcome) -> None:
        """Note what is proved of a POST, whatever the view makes of its answer or its error."""
        if method == "POST":
            self._correlation.posted = outcome

    def _exchange(self, method: str, path: str, document: object, doubt: Doubt) -> requests.Response:
        headers = {"Idempotency-Key": self._key} if method == "POST" else None
        try:
            return self._service.exchange(method, path, self._correlation, document=document, headers=headers)
        except NothingSentError as error:
            raise ChatServiceUnavailableError(reason=error.reason) from error
        except NoAnswerError as error:
            raise doubt(reason=error.reason) from error


def _load(answer: type[Schema], body: bytes, doubt: Doubt) -> Document:
    try:
        return dict(_build(answer).load(_JSON.decode(body.decode())))
    except (ValueError, RecursionError, ValidationError) as error:
        raise doubt(reason=INVALID_ANSWER) from error


@cache
def _build(schema: type[Schema]) -> Schema:
    """Return the schema's one instance: building it costs about ten times as much as using it."""
    return schema()


def _refusal(response: requests.Response, refusals: Refusals, doubt: Doubt, request_id: str) -> ServiceError:
    """Return the error that a response other than 2xx stands for."""
    status = response.status_code
    if not 400 <= status < 500:  # noqa: PLR2004 - client errors (RFC 9110 section 15.5)
        return doubt(reason=status_class(response))
    if status == _BUSY:
        return ChatServiceBusyError(retry_after=_wait(response.headers.get("Retry-After", "")))
    if status in refusals:
        return refusals[status]()
    known = {"request_id": request_id, "upstream_status": status}
    logger.error("chat service refused in an unforeseen way", extra=known)
    return ChatServiceUnavailableError(reason=status_class(response))


def _wait(retry_after: str) -> int:
    """Return the seconds of a Retry-After, a number or a date (RFC 9110 section 10.2.3), clamped to 1 to 60.

    An invalid value counts as 1.
    """
    is_number = retry_after.isascii() and retry_after.isdigit()
    seconds = int(retry_after.lstrip("0")[:4] or 1) if is_number else _seconds_until(retry_after)
    return min(max(seconds, 1), _LONGEST_WAIT)


def _seconds_until(date: str) -> int:
    try:
        found = parsedate_to_datetime(date)
        # The format of asctime names no zone; dates in HTTP are in UTC (RFC 9110 section 5.6.7).
        return math.ceil(found.replace(tzinfo=found.tzinfo or UTC).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0
