"""Ingest over gRPC: messages both ways, what ends a stream, and what is counted; over real parts, tiny models."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from open_access import ACCESS
from seen_calls import Seen, calls
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server.app import Components
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.interceptor import Interceptor
from shortlist.server.rpc.services import Retrieval

MARGIN_S = 0.5  # in which even a busy machine tells a caller that its deadline came
WAIT_S = 20.0  # a bound for a broken test, never reached by a sound one
INTO_C = pb.IngestStart(create=pb.CreateCollectionRequest(name="c", exist_ok=True))


@dataclass
class Served:
    """A server with the service of collections, behind the interceptor."""

    channel: grpc.aio.Channel
    seen: Seen
    components: Components

    def ingest(self, *messages: pb.IngestRequest | bytes, timeout: float | None = None) -> grpc.aio.StreamStreamCall:
        """Send messages, and end the stream after them."""
        method = self.channel.stream_stream(
            "/shortlist.v1.Retrieval/Ingest",
            lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            pb.IngestResponse.FromString,
        )
        return method(iter(messages), timeout=timeout)


@pytest.fixture
async def served(components: Components) -> AsyncIterator[Served]:
    """Run the server."""
    seen = Seen()
    server = grpc.aio.server(interceptors=(Interceptor(calls(seen), ACCESS, 1 << 20),))
    pb_grpc.add_RetrievalServicer_to_server(Retrieval(components.pipeline, Deadlines(30.0, MARGIN_S)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", (("grpc.enable_http_proxy", 0),)) as channel:
        yield Served(channel, seen, components)
    await server.stop(None)


def documents(*ids: str, **fields: object) -> pb.IngestRequest:
    """Return a message of some documents."""
    return pb.IngestRequest(documents=[pb.Document(id=each, text=f"text {each}", **fields) for each in ids])


async def results(call: grpc.aio.StreamStreamCall) -> list[pb.IngestResult]:
    """Return all answers in the order of the documents."""
    found = [result async for response in call for result in response.results]
    return sorted(found, key=lambda result: result.index)


async def test_documents_come_and_are_answered(served: Served):
    """Documents of all messages are numbered through, stored, and answered; the collection is made first."""
    start = documents("a")
    start.start.CopyFrom(INTO_C)
    long = pb.IngestRequest(documents=[pb.Document(id="long", text="word " * 5000)])
    found = await results(served.ingest(start, documents("b", ""), long, pb.IngestRequest()))
    inserted, refused = pb.INGEST_OUTCOME_INSERTED, pb.INGEST_OUTCOME_REFUSED
    assert [(one.index, one.outcome) for one in found] == [(0, inserted), (1, inserted), (2, refused), (3, inserted)]
    assert [one.truncated for one in found] == [False, False, False, True]
    refusal = found[2].refusal
    assert (refusal.reason, refusal.field) == ("INVALID_REQUEST", "id")
    assert refusal.message == "id: got '', but an id must not be empty; give each document an id of its own"
    assert len(served.components.pipeline.contents.collection("c")) == 3
    assert served.seen.statuses == [("Ingest", "OK")]
    again = await results(served.ingest(pb.IngestRequest(start=INTO_C), documents("a"), documents("b", source="s")))
    assert [one.outcome for one in again] == [pb.INGEST_OUTCOME_UNCHANGED] * 2
    new = await results(served.ingest(pb.IngestRequest(start=INTO_C), documents("a", title="t")))
    assert [one.outcome for one in new] == [pb.INGEST_OUTCOME_UPDATED]


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([], "INVALID_ARGUMENT", "start.into: got 'nothing', but the first message names the collection"),
        ([documents("a")], "INVALID_ARGUMENT", "start.into: got 'nothing'"),
        ([pb.IngestRequest(start=pb.IngestStart())], "INVALID_ARGUMENT", "start.into: got 'nothing'"),
        (
            [pb.IngestRequest(start=pb.IngestStart(collection="none"))],
            "NOT_FOUND",
            "collection: there is no collection",
        ),
        (
            [pb.IngestRequest(start=pb.IngestStart(create=pb.CreateCollectionRequest(name="../x")))],
            "INVALID_ARGUMENT",
            "name: got '../x'",
        ),
        ([b"\xff"], "INVALID_ARGUMENT", "shortlist.v1.IngestRequest: got"),
    ],
)
async def test_streams_that_do_not_begin(served: Served, messages: list, code: str, words: str):
    """A stream that names no collection, one that is not there, or nothing that can be read, is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await results(served.ingest(*messages))
    assert (refused.value.code().name, refused.value.details()[: len(words)]) == (code, words)
    assert served.seen.statuses == [("Ingest", code)]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (pb.IngestRequest(start=INTO_C), "start: got create"),
        (documents("QQQQ").SerializeToString().replace(b"QQQQ", b"Q\xff\xfeQ"), "documents[0].id: got b'Q\\xff"),
        (pb.IngestRequest(documents=[pb.Document(id="x", text="x" * (1 << 20))]), "bytes of the request: got"),
    ],
)
async def test_a_message_at_fault_ends_the_stream(served: Served, bad: pb.IngestRequest | bytes, words: str):
    """What came before it is stored and answered; then its caller is told what is wrong with it."""
    call = served.ingest(pb.IngestRequest(start=INTO_C), documents("a", "b"), bad, documents("c"))
    assert [result.outcome for result in (await call.read()).results] == [pb.INGEST_OUTCOME_INSERTED] * 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith(words)
    assert len(served.components.pipeline.contents.collection("c")) == 2


async def test_a_caller_that_hangs_up(served: Served):
    """The server holds nothing of a stream whose caller is gone, and counts it once."""
    call = served.channel.stream_stream(
        "/shortlist.v1.Retrieval/Ingest", pb.IngestRequest.SerializeToString, pb.IngestResponse.FromString
    )()
    await call.write(pb.IngestRequest(start=INTO_C))
    await call.write(documents("a"))
    assert len((await call.read()).results) == 1
    call.cancel()
    await asyncio.wait_for(served.seen.came.wait(), WAIT_S)
    # To gRPC's server the caller's leaving is an end of the requests as well, and either may come first.
    assert served.seen.statuses in ([("Ingest", "CANCELLED")], [("Ingest", "OK")])
    assert served.components.pipeline.streams.room.shares == set()


async def test_a_stop_answers_what_was_written(served: Served):
    """A stream that would go on ends with UNAVAILABLE when the server stops."""
    call = served.channel.stream_stream(
        "/shortlist.v1.Retrieval/Ingest", pb.IngestRequest.SerializeToString, pb.IngestResponse.FromString
    )()
    await call.write(pb.IngestRequest(start=INTO_C))
    await call.write(documents("a"))
    assert len((await call.read()).results) == 1
    served.components.pipeline.streams.stop()
    with pytest.raises(grpc.aio.AioRpcError, match="send what was not answered to another one") as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stream_s_deadline(served: Served):
    """A stream that brings a deadline ends before it, so that its caller is told."""
    call = served.channel.stream_stream(
        "/shortlist.v1.Retrieval/Ingest", pb.IngestRequest.SerializeToString, pb.IngestResponse.FromString
    )(timeout=2 * MARGIN_S)
    await call.write(pb.IngestRequest(start=INTO_C))
    with pytest.raises(grpc.aio.AioRpcError, match="the stream's deadline came") as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert served.seen.statuses == [("Ingest", "DEADLINE_EXCEEDED")]
