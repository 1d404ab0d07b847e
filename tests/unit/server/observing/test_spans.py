"""Calls as spans: below their caller's, with their stages below them, as OpenTelemetry's own exporter gets them."""

import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from seen_calls import Seen
from shortlist.server import observed
from shortlist.server.observed import Stage
from shortlist.server.observing.calls import Calls
from shortlist.server.observing.spans import Spans

TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exported() -> InMemorySpanExporter:
    """Return what takes the spans."""
    return InMemorySpanExporter()


@pytest.fixture
def calls(exported: InMemorySpanExporter) -> Iterator[Calls]:
    """Return calls that are traced."""
    spans = Spans(SimpleSpanProcessor(exported))
    yield Calls(Seen(), tracing=spans)
    spans.close()


async def test_a_call_is_below_its_callers_span_and_its_stages_below_it(calls: Calls, exported: InMemorySpanExporter):
    """The caller's trace goes on; each stage is a span of its own times, and the call's has what is known of it."""
    before = time.time_ns()
    call = calls.begin("grpc", "Search", {"traceparent": f"00-{TRACE}-{ABOVE}-01", "x-request-id": "abc"})
    assert call.trace_id == TRACE
    observed.add(Stage("queue", call.began_s + 1, call.began_s + 3, {"lane": "query"}))
    observed.note(reranked=7)
    calls.end(call, "INTERNAL")
    stage, whole = exported.get_finished_spans()
    assert (stage.name, whole.name, f"{whole.parent.span_id:016x}") == ("queue", "Search", ABOVE)
    assert {f"{one.context.trace_id:032x}" for one in (stage, whole)} == {TRACE}
    assert stage.parent.span_id == whole.context.span_id
    assert stage.end_time - stage.start_time == pytest.approx(2e9, abs=1e7)  # of two readings of the clock
    assert before <= whole.start_time <= whole.end_time <= time.time_ns()
    assert dict(stage.attributes) == {"lane": "query"}
    assert dict(whole.attributes) == {
        "shortlist.face": "grpc",
        "shortlist.status": "INTERNAL",
        "shortlist.request_id": "abc",
        "shortlist.reranked": 7,
    }
    assert (whole.status.status_code, whole.status.description) == (StatusCode.ERROR, "INTERNAL")
    assert whole.resource.attributes["service.name"] == "shortlist"


@pytest.mark.parametrize("given", ["", "00-junk", f"00-{'0' * 32}-{ABOVE}-01", "\x00"])
async def test_a_context_that_is_none(calls: Calls, exported: InMemorySpanExporter, given: str):
    """What is no context begins a trace of its own; a status that is the caller's fault is no error of the server."""
    calls.end(calls.begin("http", "POST /a", {"traceparent": given}), "NOT_FOUND")
    (whole,) = exported.get_finished_spans()
    assert whole.parent is None
    assert whole.status.status_code is StatusCode.UNSET


async def test_a_trace_that_its_caller_does_not_keep(calls: Calls, exported: InMemorySpanExporter):
    """A caller that samples its trace out has no span made here, and no id of it in the log."""
    call = calls.begin("grpc", "Search", {"traceparent": f"00-{TRACE}-{ABOVE}-00"})
    observed.stage("embed", time.monotonic())
    calls.end(call, "OK")
    assert (exported.get_finished_spans(), call.trace_id) == ((), "")
