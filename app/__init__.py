"""The send-message service. Nothing inside the package imports from here."""

from app.factory import create_app

__all__ = ["create_app"]
