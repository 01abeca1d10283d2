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


def sending(limit: str, store: MemoryStore) -> Caller:
    """Somebody who sends through an application with this limit."""
    return Caller(CheckedClient(create_app(load({**ENVIRON, "RATE_LIMIT": limit}), store=store, transport=Wire())))


@pytest.mark.parametrize(
    ("limit", "amount", "seconds"),
    [("30 per minute", 30, 60), ("100 per 5 minutes", 100, 300), ("2/3 hour", 2, 10800)],
)
def test_one_window(limit: str, amount: int, seconds: int) -> None:
    """A request is one hit of one window, that of the user and the operation."""
    store = Watched()
    assert sending(limit, store).send().status_code == 200
    assert store.hits == [(f"LIMITER/{MEMBER}/conversations.send_message", amount, seconds)]


def test_a_changed_limit_counts_what_was_admitted_before() -> None:
    """A deployment that changes it gives nobody a window anew, nor do old workers and new ones side by side."""
    store = MemoryStore()
    before, after = sending("3 per minute", store), sending("2 per minute", store)

    assert [before.send().status_code, after.send().status_code, after.send().status_code] == [200, 200, 429]
    assert [before.send().status_code, before.send().status_code] == [200, 429]


def test_nothing_else_is_limited() -> None:
    """Flask-Limiter is asked by the guard alone: it looks at no request before or after that."""
    app = create_app(load(ENVIRON), transport=Wire())
    hooks = [
        repr(hooks) for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    ]
    assert not [names for names in hooks if "imiter" in names]
    assert len(app.extensions["limiter"]) == 1
