"""A request is gone with its answer: nothing waits for Python's collector, which comes when it likes."""

import gc
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from unittest.mock import Mock
from weakref import ref

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from app.upstream.transport import NoAnswerError, NothingSentError
from config.settings import load
from tests.people import ACME, CONVERSATION, token
from tests.wire import Answer, Wire, reply

SEND = f"/v1/send-message/{ACME}/{CONVERSATION}"
BODY = b'{"message_body": "x"}'


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def asked(
    app: Flask,
    path: str,
    *,
    method: str = "POST",
    body: bytes = BODY,
    user: str = "a-member",
    key: str | None = None,
) -> tuple[int, bool]:
    """The status, and whether anything of the request is still there."""
    given = BytesIO(body)
    headers = [("Authorization", f"Bearer {token(user)}")] if user else []
    headers += [("Idempotency-Key", key)] if key else []
    builder = EnvironBuilder(path=path, method=method, content_type="application/json", headers=headers)
    environ: dict[str, Any] = {
        **builder.get_environ(),
        "wsgi.input": given,
        "CONTENT_LENGTH": str(len(body)),
    }
    status = run_wsgi_app(app, environ, buffered=True)[1]
    seen = ref(given)
    del given, environ
    return int(status[:3]), seen() is not None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"path": SEND}, 200),
        ({"path": SEND, "key": "a"}, 200),
        ({"path": "/v1", "method": "GET"}, 200),
        ({"path": SEND, "body": b"{"}, 400),
        ({"path": "/v1/send-message/x/y"}, 400),
        ({"path": SEND, "user": ""}, 401),
        ({"path": SEND, "user": "nobody"}, 400),
        ({"path": "/nowhere"}, 404),
        ({"path": SEND, "method": "PUT"}, 405),
    ],
    ids=str,
)
def test_by_whom_and_how_ever_it_is_answered(request_: dict[str, Any], status: int, app: Flask) -> None:
    """Neither a state, nor an error with its frames, keeps the body and what was made of it."""
    assert asked(app, **request_) == (status, False)


@pytest.mark.parametrize(
    "answer",
    [
        lambda *_: reply(429),
        lambda *_: reply(500),
        lambda *_: NoAnswerError("reset"),
        lambda *_: NothingSentError("refused"),
        lambda *_: 1 // 0,
    ],
    ids=["busy", "failed", "reset", "refused", "a fault of ours"],
)
def test_whatever_became_of_the_message(answer: Callable[..., Answer], app: Flask, wire: Wire) -> None:
    """Errors have errors that they come from, and those have frames as well."""
    wire.answer_chat = answer
    status, is_kept = asked(app, SEND)

    assert (status >= 400, is_kept) == (True, False)


def test_whatever_became_of_the_look_up(app: Flask, wire: Wire) -> None:
    """A fault of ours is kept for all who wait for it, by a frame that it has itself."""
    wire.answer_accounts = Mock(side_effect=ZeroDivisionError)
    assert asked(app, SEND) == (500, False)


def test_with_the_real_transport(environ: dict[str, str]) -> None:
    """Nor does what goes wrong with a socket."""
    status, is_kept = asked(create_app(load(environ)), SEND)

    assert (status, is_kept) == (500, False)
