"""Stores of a test, by what STORE_URL would say."""

from app.stores import Store, opening
from config import store_urls


def open_store(url: str) -> Store:
    """As the factory opens it."""
    return opening.open_store(*store_urls.parse(url))
