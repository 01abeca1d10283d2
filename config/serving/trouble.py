"""What cannot be done right now and is tried again and again: it is told once."""

from typing import Protocol


class Log(Protocol):
    """What is used of gunicorn's."""

    def error(self, event: str, /, *, extra: dict[str, str | None]) -> None:
        """Write a line."""


class Trouble:
    """What keeps something from being done, as far as the log knows."""

    def __init__(self, log: Log, event: str) -> None:
        self._log, self._event = log, event
        self._told = ""

    def tell(self, error: OSError) -> None:
        """Write a line, unless the last one said the same."""
        told = f"{type(error).__name__} {error.errno}"
        if told != self._told:
            self._told = told
            # Of all that it says, the system's own words alone.
            self._log.error(self._event, extra={"exception": type(error).__name__, "reason": error.strerror})

    def end(self) -> None:
        """It could be done: what comes next is told anew."""
        self._told = ""
