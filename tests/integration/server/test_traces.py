"""Traces of a server by OTLP, as a collector gets them: gRPC's own server with OpenTelemetry's own service."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shortlist.bench import local
from shortlist.client import Client, Document
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import RetrievalStub

WAIT_S = 60
TRACES = {"grpc": "0af7651916cd43dd8448eb211c80319c", "http": "4bf92f3577b34da6a3ce929d0e0e4736"}
ABOVE = "b7ad6b7169203331"


@dataclass
class Collector(otlp_grpc.TraceServiceServicer):
    """A collector that keeps what it gets."""

    spans: list[Span] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def Export(self, request, context) -> otlp.ExportTraceServiceResponse:  # noqa: N802 (the proto's name)
        with self.came:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            self.came.notify_all()
        return otlp.ExportTraceServiceResponse()

    def of(self, trace: str) -> list[Span]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace]


@pytest.fixture
def collector() -> Collector:
    """Return a collector."""
    return Collector()


@pytest.fixture
def endpoint(collector: Collector) -> Iterator[str]:
    """Return where the collector listens."""
    server = grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(None).wait()


def search_http(port: int, trace: str) -> None:
    """Search by HTTP as part of a trace."""
    headers = {"content-type": "application/json", "traceparent": f"00-{trace}-{ABOVE}-01"}
    body = json.dumps({"collection": "notes", "query": "hills"}).encode()
    url = f"http://127.0.0.1:{port}/shortlist.v1.Retrieval/Search"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=WAIT_S) as answer:
        assert answer.status == 200


def test_searches_are_in_their_callers_traces(tiny, tmp_path: Path, collector: Collector, endpoint: str):
    """On both faces one is a span below its caller's with its stages below it, sent before the server has stopped."""
    port = local.free_port("127.0.0.1")
    options = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(tmp_path))
    more = ("--http-port", str(port), "--traces", endpoint, "--log-level", "warning")
    with local.serving(*options, *more) as address:
        with Client(address, timeout_s=WAIT_S) as client:
            client.create_collection("notes")
            client.upsert("notes", [Document("a", "rivers"), Document("b", "hills")])
        with grpc.insecure_channel(address) as channel:
            told = (("traceparent", f"00-{TRACES['grpc']}-{ABOVE}-01"),)
            request = pb.SearchRequest(collection="notes", query="water", mode=pb.MODE_TWO_STAGE)
            RetrievalStub(channel).Search(request, metadata=told, timeout=WAIT_S)
        search_http(port, TRACES["http"])
    for face, trace in TRACES.items():
        (whole,) = [span for span in collector.of(trace) if span.name == "Search"]
        assert whole.parent_span_id.hex() == ABOVE
        told = {one.key: one.value.string_value for one in whole.attributes}
        assert (told["shortlist.face"], told["shortlist.collection"]) == (face, "notes")
        stages = [span for span in collector.of(trace) if span is not whole]
        assert {span.parent_span_id for span in stages} == {whole.span_id}
        assert {"tokenize", "queue", "embed", "retrieve"} <= {span.name for span in stages}
        assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in stages)
    assert "rerank" in {span.name for span in collector.of(TRACES["grpc"])}


def test_a_collector_that_is_gone_stops_nothing(tiny, tmp_path: Path):
    """Calls are answered, and the server ends with code 0."""
    nobody = local.free_port("127.0.0.1")
    options = ("--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker), "--data", str(tmp_path))
    more = ("--traces", f"http://127.0.0.1:{nobody}", "--log-level", "error")
    with local.serving(*options, *more) as address, Client(address, timeout_s=WAIT_S) as client:
        client.create_collection("notes")
        assert client.search("notes", "water").hits == ()
