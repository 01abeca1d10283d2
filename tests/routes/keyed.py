"""Requests with an Idempotency-Key, and applications with a store of the test."""

from typing import Any

from flask import Flask

from app import create_app
from app.stores.memory import MemoryStore
from config.settings import load
from tests.conftest import Caller
from tests.documented import CheckedClient
from tests.wire import Wire


def keyed(caller: Caller, key: str = "order-1", **request: Any) -> Any:
    """Send under this key."""
    return caller.send(headers={"Idempotency-Key": key}, **request)


def caller_of(environ: dict[str, str], wire: Wire, store: MemoryStore) -> Caller:
    """Somebody who calls an application on this store."""
    app: Flask = create_app(load(environ), transport=wire, store=store)
    return Caller(CheckedClient(app))
