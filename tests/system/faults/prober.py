"""Asks as a probe does: `python -m tests.system.faults.prober PORT TIMES PATH…` prints status and seconds as JSON.

A program of its own: threads of a crowd would hold it up in their process.
"""

import http.client
import json
import sys
import threading
from time import monotonic

_BETWEEN_SECONDS = 0.01
_PATIENCE = 10.0


def probe(port: int, path: str) -> tuple[str, int, float]:
    """The path, its status (0 without an answer), and the seconds of the connection and the whole answer."""
    begun, status = monotonic(), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return path, status, monotonic() - begun


def probes(port: int, times: int, *paths: str) -> list[tuple[str, int, float]]:
    """So many rounds, each of all paths."""
    told = []
    for _ in range(times):
        for path in paths:
            told.append(probe(port, path))
            threading.Event().wait(_BETWEEN_SECONDS)
    return told


if __name__ == "__main__":
    json.dump(probes(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]), sys.stdout)
