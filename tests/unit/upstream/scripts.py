"""An exchange with a service whose answers are written down."""

from typing import Any

import requests

from app.upstream.breaker import Breaker
from app.upstream.exchange import Correlation, Service
from app.upstream.slots import Slots
from app.upstream.transport import NoAnswerError, NothingSentError
from tests.wire import CHAT

REFUSED, RESET = NothingSentError("refused"), NoAnswerError("reset")


class Script:
    """A transport whose answers are written down; it keeps what it was given and how long it had."""

    def __init__(self, *answers: requests.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[requests.PreparedRequest] = []
        self.timeouts: list[float] = []

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Give the next answer."""
        self.requests.append(request)
        self.timeouts.append(timeout)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def exchange(
    script: Script,
    *,
    timeout: float = 8,
    threshold: int = 20,
    **given: Any,
) -> requests.Response:
    """One exchange with a service of this transport."""
    service = Service(
        CHAT, token="opaque", timeout=timeout, transport=script, breaker=Breaker("chat", threshold), slots=Slots(1)
    )
    return service.exchange(
        **{
            "method": "POST",
            "path": "/a/b%2Fc",
            "correlation": Correlation("1", "00-a-b-01"),
            "document": {},
            **given,
        }
    )
