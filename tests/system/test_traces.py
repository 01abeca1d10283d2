"""One message is followed through real processes: from its caller, by the log, to the chat service."""

import pytest

from tests.system.clients import ask_together, sending
from tests.system.conftest import Serve
from tests.system.standins import Services

pytestmark = pytest.mark.system

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_message_is_found_by_the_callers_request_id(serve: Serve, services: Services) -> None:
    """Of 20 that two workers send at once, each has one line in the log, and one entry in the chat service's."""
    server, ids = serve(WEB_CONCURRENCY="2"), [f"caller-{number}" for number in range(20)]
    requests = [sending(f"a-member-{name}", text=name, headers={"X-Request-ID": name}) for name in ids]
    answers = ask_together([server.port], requests)
    assert [answer.headers["X-Request-ID"] for answer in answers] == ids

    server.await_events("request", 21)
    for name in ids:
        (line,) = [line for line in server.events("request") if line["request_id"] == name]
        (entry,) = [entry for entry in services.ledger.entries if entry.request_id == name]
        assert entry.text == name
        assert entry.traceparent == f"00-{line['trace_id']}-{line['span_id']}-00"
    assert len({entry.traceparent.split("-")[1] for entry in services.ledger.entries}) == 20


def test_a_message_is_found_by_the_callers_trace(serve: Serve, services: Services) -> None:
    """Whichever worker sends it: the trace is the caller's, the parent a span of this request alone."""
    server = serve(WEB_CONCURRENCY="2")
    requests = [sending(f"a-member-{n}", headers={"traceparent": TRACEPARENT}) for n in range(20)]
    assert {answer.status for answer in ask_together([server.port], requests)} == {200}

    server.await_events("request", 21)
    lines = [line for line in server.events("request") if line["trace_id"] == TRACE]
    spans = {f"00-{TRACE}-{line['span_id']}-01": line["request_id"] for line in lines}
    assert spans == {entry.traceparent: entry.request_id for entry in services.ledger.entries}
    assert len(spans) == 20
