"""What is charged, under which name: windows outlive a release, so it must find those of the one before it."""

import pytest

from app import create_app
from app.stores import Decision
from app.stores.memory import MemoryStore
from config.settings import load
from tests.conftest import ENVIRON, Caller
from tests.documented import CheckedClient
from tests.wire import Wire

MEMBER = "d5b51197dd98ecf9fd5d97b2296013da"


class Watched(MemoryStore):
    """A store that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[tuple[str, int, int]] = []

    def hit(self, key: str, limit: int, window: int) -> Decision:
        self.hits.append((key, limit, window))
        return super().hit(key, limit, window)


@pytest.mark.parametrize(
    ("limit", "ending", "amount", "seconds"),
    [
        ("30 per minute", "30/1/minute", 30, 60),
        ("100 per 5 minutes", "100/5/minute", 100, 300),
        ("2/3 hour", "2/3/hour", 2, 10800),
    ],
)
def test_one_window(limit: str, ending: str, amount: int, seconds: int) -> None:
    """A request is one hit of one window: Flask-Limiter's name of the limit, the user and the operation."""
    store = Watched()
    app = create_app(load({**ENVIRON, "RATE_LIMIT": limit}), store=store, transport=Wire())
    assert Caller(CheckedClient(app)).send().status_code == 200
    assert store.hits == [(f"LIMITER/{MEMBER}/conversations.send_message/{ending}", amount, seconds)]


def test_nothing_else_is_limited() -> None:
    """Flask-Limiter is asked by the guard alone: it looks at no request before or after that."""
    app = create_app(load(ENVIRON), transport=Wire())
    hooks = [
        repr(hooks) for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    ]
    assert not [names for names in hooks if "imiter" in names]
    assert len(app.extensions["limiter"]) == 1
