"""The scenes in which Prometheus watches, and the one in which it sees nothing."""

import re
import signal
import threading
from functools import partial
from typing import Any

from tests.conventions.watched import panels
from tests.system.clients import ask, sending
from tests.system.faults.alarms_behind import chat_service, keys, others_behind
from tests.system.faults.alarms_within import log_unread, processes, too_much
from tests.system.faults.stage import Report, Stage
from tests.system.faults.watches import watched


def nothing_wrong(stage: Stage) -> Report:
    """Callers make all the mistakes that they can, and the service is deployed anew: nothing fires."""
    with watched(stage, "nothing wrong", {"RATE_LIMIT": "60 per minute"}, keyed=4) as scene:
        scene.server.signal(signal.SIGHUP)
        scene.calm(5, partial(_make_mistakes, scene.server.port))
        blank = [panel["title"] for panel in panels() if not all(map(scene.prometheus.ask, _queries(panel)))]
        scene.report.violations += [f"nothing in {title!r}" for title in blank if not title.startswith("Alerts")]
    return scene.report


def _queries(panel: dict[str, Any]) -> list[str]:
    """What a panel of the dashboard asks, of all that there is."""
    variables = {"$__rate_interval": "5s", "$job": ".*", "$instance": ".*", "$route": ".*"}
    expressions = [target["expr"] for target in panel["targets"]]
    return [re.sub(r"\$\w+", lambda found: variables[found[0]], expression) for expression in expressions]


def _make_mistakes(port: int) -> None:
    """Most of them above the limit of their user, too."""
    mistakes = [
        sending(headers={"Authorization": "Bearer x"}),
        sending(company="x"),
        sending(conversation="x"),
        sending(text=" "),
        sending(headers={"Idempotency-Key": "not a key"}),
        sending("one-of-another-company"),
    ]
    for _ in range(20):
        for request in mistakes:
            ask(port, request)
        threading.Event().wait(0.7)


SCENES = {
    "nothing wrong": nothing_wrong,
    "chat service": chat_service,
    "others behind": others_behind,
    "keys": keys,
    "processes": processes,
    "too much": too_much,
    "log unread": log_unread,
}
