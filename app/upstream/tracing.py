"""An OpenTelemetry span for each request to an upstream service, if this service runs under OpenTelemetry."""

from urllib.parse import urlsplit

import requests
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.upstream.connections import DEFAULT_PORTS
from app.upstream.exchange import Sender
from app.upstream.transport import TransportError

# Only the trace context is propagated, whatever else is configured, such as the baggage of callers.
_context = TraceContextTextMapPropagator()
# From here on a status is an error to a client (OpenTelemetry, "Semantic conventions for HTTP spans").
_FAILED = 400


class Traced:
    """A transport whose requests are client spans, each the parent of the upstream service's spans.

    Of a request, only the method and the service's host and port are recorded: paths contain user ids.
    """

    def __init__(self, transport: Sender, tracer: trace.Tracer | None = None) -> None:
        self._transport = transport
        self._tracer = tracer or trace.get_tracer(__name__)

    def send(self, request: requests.PreparedRequest, *, timeout: float) -> requests.Response:
        """Send like the transport; without a current span, as without an SDK, nothing is added."""
        if not trace.get_current_span().get_span_context().is_valid:
            return self._transport.send(request, timeout=timeout)
        method, url = str(request.method), urlsplit(str(request.url))
        told: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": str(url.hostname),
            "server.port": url.port or DEFAULT_PORTS[url.scheme],
        }
        with self._tracer.start_as_current_span(
            method,
            kind=trace.SpanKind.CLIENT,
            attributes=told,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            _context.inject(request.headers)
            return self._send(request, timeout, span)

    def _send(self, request: requests.PreparedRequest, timeout: float, span: trace.Span) -> requests.Response:
        try:
            response = self._transport.send(request, timeout=timeout)
        except TransportError as error:
            span.set_attribute("error.type", error.reason)
            span.set_status(trace.StatusCode.ERROR)
            raise
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= _FAILED:
            span.set_attribute("error.type", str(response.status_code))
            span.set_status(trace.StatusCode.ERROR)
        return response
