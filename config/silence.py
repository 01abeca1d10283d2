"""Gunicorn's logger without lines of access: the application has one for each request."""

from gunicorn.glogging import Logger  # type: ignore[import-untyped]


class WithoutAccess(Logger):  # type: ignore[misc] # gunicorn has no types
    """Its lines would hold query strings; the facts for each are gathered also where nobody writes them."""

    def access(self, *_: object) -> None:
        """Write nothing."""
