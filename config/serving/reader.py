"""The parser of one request, as gunicorn's worker asks it."""

import contextlib
from functools import cached_property
from typing import Any

from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

from config.serving.arrivals import Arrival
from config.serving.plain import Peer


class Reader:
    """Reads a request plainly if it can, and else as gunicorn does."""

    def __init__(self, peer: Peer, arrival: Arrival) -> None:
        self._peer, self._arrival = peer, arrival
        self._is_plain = False

    def __next__(self) -> Any:  # noqa: ANN401 - gunicorn's request, or what is like it
        """Return the request; what is raised is gunicorn's."""
        data = self._arrival.whole()
        plain = self._peer.plain(data)
        if plain is None:
            return next(self._parser)
        self._is_plain = True
        self._arrival.skip(len(data))
        return plain

    def finish_body(self, deadline: float | None = None) -> bool:  # noqa: ARG002 - gunicorn's
        """Whether what the application left of a body is well-formed; if not, gunicorn would answer again."""
        if self._is_plain:
            return True
        with contextlib.suppress(ParseException, OSError):
            # In full and at once: all of it is here, and the client was told that the connection is kept.
            return bool(self._parser.finish_body())
        return False

    def rest(self) -> bytes:
        """What is here of the next request."""
        buffered = b"" if self._is_plain else self._parser.unreader.buf.getvalue()
        return buffered + self._arrival.rest()

    @cached_property
    def _parser(self) -> Any:  # noqa: ANN401 - gunicorn has no types
        return get_parser(self._peer.cfg, self._arrival, self._peer.peer_addr)
