"""Logging the failures of an action that is retried, once each."""

from gunicorn.glogging import Logger  # type: ignore[import-untyped]


class FailureLog:
    """The last logged failure of an action that is retried."""

    def __init__(self, log: Logger, event: str) -> None:
        self._log, self._event = log, event
        self._told = ""

    def tell(self, error: OSError) -> None:
        """Log the error, unless the last line says the same."""
        told = f"{type(error).__name__} {error.errno}"
        if told != self._told:
            self._told = told
            # Of the error's text, the system's message alone.
            self._log.error(self._event, extra={"exception": type(error).__name__, "reason": error.strerror})

    def end(self) -> None:
        """Note that the action succeeded: the next failure is logged again."""
        self._told = ""
