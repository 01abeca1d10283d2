"""What is recorded of a request to a service behind (docs/operating/tracing.md), and what is not."""

from contextlib import suppress

import pytest
import requests
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.upstream.tracing import Traced
from app.upstream.transport import NoAnswerError, prepare
from tests.wire import reply

ASKED = {"http.request.method": "GET", "server.address": "accounts.test", "server.port": 80}


class Recorded:
    """A transport that is traced, and what an exporter gets of it."""

    def __init__(self) -> None:
        self.answer: requests.Response | Exception = reply(200)
        self.exported = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exported))
        self.tracer = provider.get_tracer("tests")
        self.sent: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        assert timeout == 1
        self.sent.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def ask(self) -> None:
        """Within the span of a request of ours."""
        with self.tracer.start_as_current_span("ours"):
            Traced(self, self.tracer).send(prepare("GET", "http://accounts.test/users/jane", {}), timeout=1)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def test_method_host_and_port_are_recorded_and_no_path(recorded: Recorded) -> None:
    """As a span of a client, which the service behind gets as its parent."""
    recorded.ask()
    client, ours = recorded.exported.get_finished_spans()
    assert (client.name, client.kind) == ("GET", trace.SpanKind.CLIENT)
    assert client.attributes == {**ASKED, "http.response.status_code": 200}
    assert client.parent == ours.context
    assert recorded.sent[0].headers["traceparent"].split("-")[2] == f"{client.context.span_id:016x}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (reply(503), {"http.response.status_code": 503, "error.type": "503"}),
        (NoAnswerError("reset"), {"error.type": "reset"}),
    ],
    ids=["503", "reset"],
)
def test_a_failure_is_a_word(
    recorded: Recorded, answer: requests.Response | Exception, told: dict[str, object]
) -> None:
    """Not the text of an exception, which may quote whoever was asked."""
    recorded.answer = answer
    with suppress(NoAnswerError):
        recorded.ask()
    client = recorded.exported.get_finished_spans()[0]
    assert client.attributes == {**ASKED, **told}
    assert (client.status.status_code, client.status.description, client.events) == (
        trace.StatusCode.ERROR,
        None,
        (),
    )
