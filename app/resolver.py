"""Host name resolution with a deadline."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from time import monotonic
from typing import Any

Address = tuple[Any, Any, int, str, Any]


def resolve(host: str, port: int, deadline: float) -> Sequence[Address]:
    """Resolve a host name; an IP address needs no lookup.

    Raises socket.gaierror also if there is no answer by the deadline (`time.monotonic`), or no thread to ask in.
    """
    try:
        numeric: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return _look_up(host, port, deadline)
    return numeric


def _look_up(host: str, port: int, deadline: float) -> Sequence[Address]:
    # getaddrinfo(3) takes no timeout and may block for half a minute: its thread is abandoned at the deadline.
    answer: Future[Sequence[Address]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001  # re-raised in the caller's thread
            answer.set_exception(error)

    try:
        threading.Thread(target=ask, name="lookup", daemon=True).start()
    except RuntimeError:
        raise socket.gaierror(socket.EAI_AGAIN, "no thread can be started right now") from None
    try:
        return answer.result(deadline - monotonic())
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None
