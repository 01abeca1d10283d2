"""Stores of a test, by what STORE_URL would say."""

from app.stores import Store, factory
from config import store_urls


def open_store(url: str) -> Store:
    """As the factory opens it."""
    return factory.open_store(*store_urls.parse(url))
