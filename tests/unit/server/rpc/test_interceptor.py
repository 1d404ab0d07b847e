"""The interceptor on a gRPC server of its own, whose RPCs do what a test says; what is seen of calls is a list."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_status import rpc_status

from open_access import ACCESS
from seen_calls import Seen, calls
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.proto import tei_pb2 as tei
from shortlist.proto import tei_pb2_grpc as tei_grpc
from shortlist.server.errors import (
    CollectionExists,
    DeadlineExceeded,
    InferenceFailed,
    InvalidRequest,
    Overloaded,
    ShuttingDown,
    StorageFailed,
    UnknownCollection,
    UnknownDocument,
)
from shortlist.server.rpc.interceptor import Interceptor

WAIT_S = 20.0  # a bound for a broken test, never reached by a sound one
REQUEST = pb.EmbedRequest(texts=["one", "two"])


class Rerank(tei_grpc.RerankServicer):
    """A service of tei.v1 whose stream is answered once, with how many messages it had."""

    async def RerankStream(self, requests, context):  # noqa: N802 (as the proto names it)
        ranks = [tei.Rank(index=index) async for index in _counted(requests)]
        return tei.RerankResponse(ranks=ranks)


async def _counted(requests: AsyncIterator[Any]) -> AsyncIterator[int]:
    index = 0
    async for _ in requests:
        yield index
        index += 1


class Inference(pb_grpc.InferenceServicer):
    """A service whose Embed does what the test says."""

    def __init__(self) -> None:
        self.embed: Callable[[pb.EmbedRequest], Awaitable[pb.EmbedResponse]] | None = None
        self.asked = 0

    async def Embed(self, request, context):  # noqa: N802 (as the proto names it)
        self.asked += 1
        return await self.embed(request)


@dataclass
class Served:
    """A server behind the interceptor."""

    channel: grpc.aio.Channel
    inference: Inference
    seen: Seen

    def embed(self, request: Any = REQUEST, serializer: Any = pb.EmbedRequest.SerializeToString) -> Any:
        """Call Embed."""
        method = self.channel.unary_unary("/shortlist.v1.Inference/Embed", serializer, pb.EmbedResponse.FromString)
        return method(request, timeout=WAIT_S)

    async def refused(self, error: Exception) -> grpc.aio.AioRpcError:
        """Have the handler raise an error, and return what the caller gets."""

        async def fail(_: pb.EmbedRequest) -> pb.EmbedResponse:
            raise error

        self.inference.embed = fail
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.embed()
        return refused.value


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """Run a server with the interceptor, a service of ours and the health service."""
    seen, inference = Seen(), Inference()
    server = grpc.aio.server(interceptors=(Interceptor(calls(seen), ACCESS, 1 << 20),))
    pb_grpc.add_InferenceServicer_to_server(inference, server)
    tei_grpc.add_RerankServicer_to_server(Rerank(), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", (("grpc.enable_http_proxy", 0),)) as channel:
        yield Served(channel, inference, seen)
    await server.stop(None)


async def test_a_request_that_is_too_large(served: Served):
    """A request over the limit never reaches the handler; its size, the limit and a remedy are told."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.embed(pb.EmbedRequest(texts=["x" * (1 << 20)]))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "but the most is 1048576 (the server's max_request_bytes); send fewer" in refused.value.details()
    assert served.seen.statuses == [("Embed", "INVALID_ARGUMENT")]


async def test_an_answer_passes_as_it_is(served: Served):
    """A handler gets the request and its answer reaches the caller; the call is counted once, by its method."""

    async def embed(request: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse(truncated=len(request.texts))

    served.inference.embed = embed
    assert await served.embed() == pb.EmbedResponse(truncated=2)
    assert served.seen.statuses == [("Embed", "OK")]
    assert served.seen.calls[0].seconds() >= 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("texts", 1, "two are needed", "send two"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnknownCollection("collection: there is none"), grpc.StatusCode.NOT_FOUND),
        (UnknownDocument("ids: there is none"), grpc.StatusCode.NOT_FOUND),
        (CollectionExists("name: taken"), grpc.StatusCode.ALREADY_EXISTS),
        (Overloaded("the queue is full", 70), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (DeadlineExceeded("no time"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (ShuttingDown("the server is stopping"), grpc.StatusCode.UNAVAILABLE),
        (StorageFailed("the disk is full"), grpc.StatusCode.INTERNAL),
        (InferenceFailed("the model could not run this"), grpc.StatusCode.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
async def test_an_error_of_ours_is_told_as_its_status(served: Served, error: Exception, code: grpc.StatusCode):
    """An error of the server's own reaches the caller in its words, as the status of its kind, and is counted so."""
    refused = await served.refused(error)
    assert (refused.code(), refused.details()) == (code, str(error))
    assert served.seen.statuses == [("Embed", code.name)]


async def test_the_time_to_come_back_is_in_grpc_s_own_trailer(served: Served):
    """An overloaded server tells a client with a retry policy how long to wait."""
    refused = await served.refused(Overloaded("the queue is full", 70))
    assert ("grpc-retry-pushback-ms", "70") in tuple(refused.trailing_metadata())


@pytest.mark.parametrize(
    ("given", "expected"),
    [("a-1/b:2", "a-1/b:2"), ("x" * 300, "x" * 128), ("a b,c;d'e", "abcde"), (None, None), (" ;", None)],
)
async def test_a_call_has_an_id(served: Served, given: str | None, expected: str | None):
    """The id that a caller gives comes back, cut and without what is unfit for logs; else it is a new one."""

    async def embed(_: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse()

    served.inference.embed = embed
    method = served.channel.unary_unary("/shortlist.v1.Inference/Embed", pb.EmbedRequest.SerializeToString)
    call = method(REQUEST, timeout=WAIT_S, metadata=None if given is None else (("x-request-id", given),))
    await call
    told = dict(await call.trailing_metadata())["x-request-id"]
    assert told == served.seen.calls[0].request_id
    assert told == expected if expected else re.fullmatch("[0-9a-f]{32}", told)


async def test_an_error_names_its_call(served: Served):
    """The id stands in the trailer and as google.rpc has it, beside the longest words too."""
    refused = await served.refused(InvalidRequest("\U0001f98a" * 5000, "\U0001f98a" * 5000, "5", "shorten it"))
    rich, info = rpc_status.from_call(refused), RequestInfo()
    assert rich.details[-1].Unpack(info)
    assert info.request_id == dict(refused.trailing_metadata())["x-request-id"] == served.seen.calls[0].request_id


async def test_fields_travel_as_grpc_status_reads_them(served: Served):
    """grpcio-status finds the status, the words and the field at fault behind a refused call."""
    refused = await served.refused(InvalidRequest("texts", 1, "two are needed", "send two"))
    rich = rpc_status.from_call(refused)
    info, request = ErrorInfo(), BadRequest()
    assert rich.details[0].Unpack(info)
    assert rich.details[1].Unpack(request)
    assert (rich.code, rich.message) == (3, refused.details())
    assert (info.reason, request.field_violations[0].field) == ("INVALID_REQUEST", "texts")


async def test_the_longest_words_arrive(served: Served):
    """A field and a value of the most and widest characters still fit what gRPC sends: words and fields whole."""
    error = InvalidRequest("\U0001f98a" * 5000, "\U0001f98a" * 5000, "the limit is 5", "shorten it")
    refused = await served.refused(error)
    assert (refused.code(), refused.details()) == (grpc.StatusCode.INVALID_ARGUMENT, str(error))
    assert "grpc-status-details-bin" in dict(refused.trailing_metadata())


async def test_an_error_of_none_of_ours_tells_nothing_inside(served: Served, caplog: pytest.LogCaptureFixture):
    """A fault of the server is INTERNAL without its words; these and the trace are in the log."""
    refused = await served.refused(ZeroDivisionError("secret of the house"))
    assert refused.code() is grpc.StatusCode.INTERNAL
    (call,) = served.seen.calls
    assert refused.details() == f"the server failed; its log has the cause, as request {call.request_id}"
    assert served.seen.statuses == [("Embed", "INTERNAL")]
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "Embed failed"
    assert "secret of the house" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_caller_s_fault_is_none_of_the_log_s(served: Served, caplog: pytest.LogCaptureFixture):
    """What a caller can mend leaves no warning and no trace in the log."""
    with caplog.at_level(logging.INFO):
        await served.refused(InvalidRequest("texts", 1, "two are needed", "send two"))
    assert [record for record in caplog.records if record.name.startswith("shortlist")] == []


async def test_a_server_that_failed_serves_on(served: Served):
    """After an error of any kind the next call is answered."""
    await served.refused(RuntimeError("broken"))

    async def embed(_: pb.EmbedRequest) -> pb.EmbedResponse:
        return pb.EmbedResponse()

    served.inference.embed = embed
    assert await served.embed() == pb.EmbedResponse()
    assert served.seen.statuses == [("Embed", "INTERNAL"), ("Embed", "OK")]


async def test_a_request_that_does_not_parse_is_refused_by_its_field(served: Served):
    """Bytes that are no request are INVALID_ARGUMENT, with the field at fault, and no handler sees them."""
    broken = REQUEST.SerializeToString().replace(b"two", b"t\xffo")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.embed(broken, serializer=None)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith("texts[1]: got b't\\xffo', but text must be valid UTF-8")
    assert (served.inference.asked, served.seen.statuses) == (0, [("Embed", "INVALID_ARGUMENT")])


async def test_a_stream_with_one_answer(served: Served):
    """tei.v1 is wrapped as our own services are, and counted by its name; a message that does not parse ends it."""
    sound = tei.RerankStreamRequest(query="a", text="two").SerializeToString()
    path = "/tei.v1.Rerank/RerankStream"
    call = served.channel.stream_unary(path, response_deserializer=tei.RerankResponse.FromString)
    assert len((await call(iter([sound, sound]), timeout=WAIT_S)).ranks) == 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(iter([sound, sound.replace(b"two", b"t\xffo")]), timeout=WAIT_S)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith("text: got b't\\xffo', but text must be valid UTF-8")
    assert served.seen.statuses == [("tei.v1/RerankStream", "OK"), ("tei.v1/RerankStream", "INVALID_ARGUMENT")]


async def test_a_caller_who_leaves_is_counted(served: Served, caplog: pytest.LogCaptureFixture):
    """When a caller hangs up, its handler is cancelled where it stands and counted as that; no fault is logged."""
    begun, left = asyncio.Event(), asyncio.Event()

    async def embed(_: pb.EmbedRequest) -> pb.EmbedResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    served.inference.embed = embed
    call = served.embed()
    await asyncio.wait_for(begun.wait(), WAIT_S)
    call.cancel()
    await asyncio.wait_for(left.wait(), WAIT_S)
    await asyncio.wait_for(served.seen.came.wait(), WAIT_S)
    assert served.seen.statuses == [("Embed", "CANCELLED")]
    assert [record for record in caplog.records if record.name.startswith("shortlist")] == []


async def test_other_services_pass_untouched(served: Served):
    """A service that is not ours is answered by itself and not counted, its own errors among it."""
    health = health_pb2_grpc.HealthStub(served.channel)
    answered = await health.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
    assert answered.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health.Check(health_pb2.HealthCheckRequest(service="none"), timeout=WAIT_S)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert served.seen.statuses == []


async def test_a_method_that_is_not_there(served: Served):
    """A name that no service has is gRPC's own UNIMPLEMENTED, ours among them."""
    for path in ("/shortlist.v1.Inference/Guess", "/other.Service/Guess"):
        method = served.channel.unary_unary(path, None, None)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(b"", timeout=WAIT_S)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert served.seen.statuses == []
