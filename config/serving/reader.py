"""The parser of one request, as gunicorn's worker uses it."""

import contextlib
from functools import cached_property
from typing import Any

from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]

from config.serving.arrivals import Arrival
from config.serving.plain import Peer


class Reader:
    """Reads a request as a plain one if possible, else with gunicorn's parser."""

    def __init__(self, peer: Peer, arrival: Arrival) -> None:
        self._peer, self._arrival = peer, arrival
        self._is_plain = False

    def __next__(self) -> Any:  # noqa: ANN401 - gunicorn's request or a Plain
        """Return the request; raises gunicorn's exceptions."""
        data = self._arrival.whole()
        plain = self._peer.plain(data)
        if plain is None:
            return next(self._parser)
        self._is_plain = True
        self._arrival.skip(len(data))
        return plain

    def finish_body(self, deadline: float | None = None) -> bool:  # noqa: ARG002 - gunicorn's
        """Return whether the unread rest of a body is well-formed; raising would make gunicorn respond again."""
        if self._is_plain:
            return True
        with contextlib.suppress(ParseException, OSError):
            # In full, without a deadline: all of it has arrived, and the client was told the connection is kept.
            return bool(self._parser.finish_body())
        return False

    def rest(self) -> bytes:
        """Return the bytes of the next request that have arrived."""
        buffered = b"" if self._is_plain else self._parser.unreader.buf.getvalue()
        return buffered + self._arrival.rest()

    @cached_property
    def _parser(self) -> Any:  # noqa: ANN401 - gunicorn has no types
        return get_parser(self._peer.cfg, self._arrival, self._peer.peer_addr)
