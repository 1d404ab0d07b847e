"""A gRPC server that answers as a test tells it to, and remembers what it was asked."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import grpc

from shortlist.proto import retrieval_pb2 as pb

SERVICES = pb.DESCRIPTOR.services_by_name
RESPONSES = {
    method.name: getattr(pb, method.output_type.name) for service in SERVICES.values() for method in service.methods
}


def told(message):
    """Set every enum of a message to a value that a server may send: the first one says that nothing was set."""
    for each in message.DESCRIPTOR.fields:
        if each.enum_type is not None:
            setattr(message, each.name, 1)
        elif each.message_type is not None and each.message_type.file is pb.DESCRIPTOR and not each.is_repeated:
            told(getattr(message, each.name))
    return message


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    code: grpc.StatusCode
    details: str = "the server's words"
    trailers: tuple[tuple[str, str | bytes], ...] = ()


@dataclass
class Scripted:
    """A server that gives the answers it was told, and remembers what it was asked."""

    address: str = ""
    answers: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    defaults: dict = field(
        default_factory=lambda: {
            "CreateCollection": told(pb.CreateCollectionResponse()),
            "SetTokenVectors": told(pb.SetTokenVectorsResponse()),
        }
    )
    requests: list = field(default_factory=list)
    deadlines_s: list = field(default_factory=list)

    def answer(self, method, request, context):
        """Give a method's next answer, or its default, or an empty one."""
        self.requests.append((method, request))
        self.deadlines_s.append(context.time_remaining())
        answer = self.answers[method].popleft() if self.answers[method] else self.defaults.get(method)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Refusal):
            context.set_trailing_metadata(answer.trailers)
            context.abort(answer.code, answer.details)
        return answer or RESPONSES[method]()

    def converse(self, method, requests, context):
        """Give an answer to each message of a stream."""
        for request in requests:
            yield self.answer(method, request, context)

    def asked(self, method):
        """Return the requests of one method."""
        return [request for name, request in self.requests if name == method]


@contextmanager
def serving() -> Iterator[Scripted]:
    """Run a scripted server on a free port."""
    script = Scripted()

    def handler(service, method):
        request = getattr(pb, method.input_type.name)
        kind = grpc.unary_unary_rpc_method_handler
        behaviour = partial(script.answer, method.name)
        if method.client_streaming:  # each message of a stream is answered as a request of its own
            kind = grpc.stream_stream_rpc_method_handler
            behaviour = partial(script.converse, method.name)
        return f"/{service.full_name}/{method.name}", kind(
            behaviour,
            request_deserializer=request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    handlers = dict(handler(service, method) for service in SERVICES.values() for method in service.methods)

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details):
            return handlers.get(details.method)

    options = [
        ("grpc.max_receive_message_length", -1),
        # As in the real server (`server/listening.py`): clients whose calls wait for long send pings.
        ("grpc.http2.min_ping_interval_without_data_ms", 500),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
    server.add_generic_rpc_handlers([Handlers()])
    script.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield script
    server.stop(None).wait()


@dataclass
class Taking:
    """An answer to each message of an ingest: its documents are inserted, or what a test says becomes of them."""

    fate: Callable[[pb.Document], pb.IngestResult] = lambda _: pb.IngestResult(outcome=pb.INGEST_OUTCOME_INSERTED)
    count: int = 0  # documents of the present stream
    streams: list[list[str]] = field(default_factory=list)  # ids that came, stream by stream

    def __call__(self, request: pb.IngestRequest) -> pb.IngestResponse:
        if request.HasField("start"):
            self.count = 0
            self.streams.append([])
        results = []
        for document in request.documents:
            self.streams[-1].append(document.id)
            results.append(self.fate(document))
            results[-1].index = self.count
            self.count += 1
        return pb.IngestResponse(results=results)
