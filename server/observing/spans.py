"""Calls as spans of OpenTelemetry, sent to a collector: one a call, below its caller's, and one a stage below that.

A call's span begins with it, so that the log can name the trace. Those of its stages are made at its end, of the
times that were kept: while it runs, a stage costs what it costs without traces. What OpenTelemetry's own variables
say (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_PROPAGATORS) holds. Spans leave by a thread of the library's.
"""

import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from shortlist.server.observed import ObservedCall

# The statuses by which a server is at fault, as OpenTelemetry's conventions for gRPC have them.
_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_LAST_SPANS_S = 2.0  # the library's own patience is 30 s
_NS = 1_000_000_000


class Spans:
    """The spans of one server."""

    def __init__(self, processor: SpanProcessor, give_up: Callable[[], None] | None = None) -> None:
        """Begin with none.

        Args:
            processor: takes each span that ended.
            give_up: ends its sending, where the collector does not take what is left.
        """
        self._give_up = give_up
        told = Resource({SERVICE_NAME: "shortlist", SERVICE_VERSION: version("shortlist")})
        self._provider = TracerProvider(resource=told.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("shortlist", version("shortlist"))

    @classmethod
    def to(cls, collector: str) -> "Spans":
        """Return spans that go to a collector, by OTLP over gRPC: http://HOST:PORT, or https."""
        exporter = OTLPSpanExporter(endpoint=collector)
        return cls(BatchSpanProcessor(exporter), exporter.shutdown)

    def begin(self, call: ObservedCall, given: Mapping[str, str]) -> None:
        """Begin the span of a call, below the one that its caller names in headers or metadata."""
        above = propagate.extract(given)
        call.span = self._tracer.start_span(call.method, above, SpanKind.SERVER, start_time=_epoch_ns(call.began_s))
        if (context := call.span.get_span_context()).trace_flags.sampled:
            call.trace_id = trace.format_trace_id(context.trace_id)

    def end(self, call: ObservedCall) -> None:
        """End the span of a call that ended, with what is known of it, and make those of its stages."""
        span, ended_s = call.span, call.began_s + call.seconds()
        if span.is_recording():
            below = trace.set_span_in_context(span)
            for stage in call.stages:
                made = self._tracer.start_span(
                    stage.name, below, attributes=stage.facts, start_time=_epoch_ns(stage.began_s)
                )
                made.end(_epoch_ns(stage.ended_s))
            told = {"face": call.face, "status": call.status, "request_id": call.request_id, **call.facts}
            told |= {name: value for name in ("collection", "key") if (value := getattr(call, name))}
            span.set_attributes({f"shortlist.{name}": value for name, value in told.items()})
            if call.status in _FAULTS:
                span.set_status(StatusCode.ERROR, call.status)
        span.end(_epoch_ns(ended_s))

    def close(self) -> None:
        """Send what is left, and end the thread that sends; a collector that is gone is not waited for long."""
        waiting = threading.Timer(_LAST_SPANS_S, self._give_up) if self._give_up else None
        if waiting:
            waiting.start()
        self._provider.shutdown()
        if waiting:
            waiting.cancel()
            waiting.join()


def _epoch_ns(monotonic_s: float) -> int:
    """Return a monotonic time as OpenTelemetry has times: nanoseconds of the wall clock."""
    return time.time_ns() - round((time.monotonic() - monotonic_s) * _NS)
