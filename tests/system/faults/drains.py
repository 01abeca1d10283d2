"""SIGTERM while callers come: who has connected is answered, who comes later is refused and knows it."""

import http.client
import signal
import threading
from collections.abc import Sequence

from tests.system.clients import Connection
from tests.system.faults.deaths import all_sent
from tests.system.faults.loads import Call, under_load
from tests.system.faults.stage import PATIENT, Attempt, Report, Stage
from tests.system.processes import await_until
from tests.system.servers import OURS

_CALLERS, _BETWEEN_SECONDS = 20, 0.02


def drained(stage: Stage, times: int, gap: float) -> Report:
    """A service is told to stop so many times; each caller sends `gap` seconds after they have connected."""
    attempts, codes = list[Attempt](), list[int]()
    for _ in range(times):
        server, begun = stage.serve(OURS, **PATIENT), len(stage.ledger.entries)
        with under_load(*[_hesitant(stage, server.port, gap)] * _CALLERS) as told:
            stage.ledger.await_entries(begun + 10 * _CALLERS)
            server.signal(signal.SIGTERM)
            await_until(server.is_free, lambda server=server: f"still listens:\n{server.log}")  # type: ignore[misc]
        attempts += told
        codes.append(server.wait())
    report = all_sent(f"{times} x SIGTERM, callers who send {1000 * gap:.0f} ms after connecting", stage, attempts)
    report.violations += [f"exit code {code}" for code in codes if code]
    return report


def _hesitant(stage: Stage, port: int, gap: float) -> Call:
    def call() -> Sequence[Attempt]:
        threading.Event().wait(_BETWEEN_SECONDS)
        try:
            connection = Connection(port)
        except OSError:
            return []
        message = stage.message()
        request_id = f"hesitant-{message.number}"
        with connection:
            threading.Event().wait(gap)
            try:
                answer = connection.ask(message.request(X_Request_ID=request_id))
            except (OSError, http.client.HTTPException):
                return [Attempt(message, request_id, None)]
        return [Attempt(message, request_id, answer)]

    return call
