"""The service, in every other twentieth of a second without a log line and without a count of its requests.

What these cost is the difference: two servers side by side differ by more than that from minute to minute. An
application for config/gunicorn.py, made here because the product has no such switch. How many requests it answered
in each stretch of time goes to the file that STRETCHES names.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from app import create_app

A_SECOND = 20


class Alternating:
    """Notes answers in every other stretch."""

    def __init__(self, note: Any, told: Path) -> None:
        self._note = note
        self._told = told
        self._stretch = 0
        self._answers = 0
        # Of each stretch its number and its answers.
        self._counted: list[tuple[int, int]] = []

    def note(self, response: Any) -> Any:
        """Note an answer, or not."""
        stretch = int(time.monotonic() * A_SECOND)
        if stretch != self._stretch:
            self._counted.append((self._stretch, self._answers))
            self._stretch, self._answers = stretch, 0
            if stretch % A_SECOND == 0:
                self._told.write_text(json.dumps(self._counted))
        self._answers += 1
        return self._note(response) if stretch % 2 else response


app = create_app()
_hooks = app.after_request_funcs[None]
# Fails where requests are noted in another way, so that nothing is compared with itself.
_place = _hooks.index(app.monitor.note)  # type: ignore[attr-defined] # of our own kind of Flask
_hooks[_place] = Alternating(_hooks[_place], Path(os.environ["STRETCHES"])).note
