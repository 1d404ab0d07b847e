"""Both clients against a gRPC server that answers as each test tells it to."""

import asyncio
import threading
from concurrent import futures

import grpc
import pytest

from fake_server import SERVICES, Refusal
from shortlist.client import AsyncClient, Client, Document, channel, errors
from shortlist.proto import retrieval_pb2 as pb


@pytest.fixture(params=["Client", "AsyncClient"])
def call(request, scripted):
    """Call a method of either client, and return what it returns; an iterator as a list."""

    def with_client(method, *arguments, **fields):
        with Client(scripted.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return list(result) if method in {"list", "list_sources"} else result

    async def with_async_client(method, *arguments, **fields):
        async with AsyncClient(scripted.address) as client:
            result = getattr(client, method)(*arguments, **fields)
            return [one async for one in result] if method in {"list", "list_sources"} else await result

    if request.param == "Client":
        return with_client
    return lambda *arguments, **fields: asyncio.run(with_async_client(*arguments, **fields))


_CALLS = [
    ("create_collection", ("notes",), "CreateCollection"),
    ("drop_collection", ("notes",), "DropCollection"),
    ("set_token_vectors", ("notes", "by-two"), "SetTokenVectors"),
    ("list_collections", (), "ListCollections"),
    ("create_snapshot", (), "CreateSnapshot"),
    ("list_snapshots", (), "ListSnapshots"),
    ("restore_snapshot", ("monday",), "RestoreSnapshot"),
    ("drop_snapshot", ("monday",), "DropSnapshot"),
    ("upsert", ("notes", [Document("1", "text")]), "Upsert"),
    ("update_metadata", ("notes", {"1": {"year": 2020}}), "UpdateMetadata"),
    ("delete", ("notes", ["1"]), "Delete"),
    ("get", ("notes", ["1"]), "Get"),
    ("list", ("notes",), "List"),
    ("list_sources", ("notes",), "ListSources"),
    ("search", ("notes", "query"), "Search"),
    ("embed", (["text"],), "Embed"),
    ("rerank", ("query", ["text"]), "Rerank"),
    ("tokenize", (["text"],), "Tokenize"),
    ("describe", (), "Describe"),
]


# Calls that are not repeated: the second would find what the first made there, or gone.
_ONCE = {"CreateCollection", "DropCollection", "CreateSnapshot", "RestoreSnapshot", "DropSnapshot"}
# Calls that send what was not answered again themselves.
_STREAMS = {"Ingest"}


@pytest.fixture
def mode_answered(scripted):
    """Have every search say what ran, as a server must."""
    answer = pb.SearchResponse(mode=pb.MODE_TWO_STAGE, candidates_from=pb.CANDIDATES_FROM_DENSE)
    scripted.answers["Search"].extend([answer] * 2)


@pytest.mark.usefixtures("mode_answered")
@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_every_call_has_a_deadline(scripted, call, method, arguments, rpc):
    """Each call brings the client's deadline, or its own."""
    call(method, *arguments)
    call(method, *arguments, timeout_s=5.0)
    assert [rpc, rpc] == [name for name, _ in scripted.requests]
    default_s, own_s = scripted.deadlines_s
    assert default_s == pytest.approx(30.0, abs=10.0)
    assert own_s == pytest.approx(5.0, abs=4.0)


@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_refusals_become_errors(scripted, call, method, arguments, rpc):
    """A status raises its error with the server's words, and gRPC's own error is chained."""
    scripted.answers[rpc].append(Refusal(grpc.StatusCode.NOT_FOUND, "collection 'notes' is not there"))
    with pytest.raises(errors.NotFound, match=r"^collection 'notes' is not there$") as caught:
        call(method, *arguments)
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    assert len(scripted.requests) == 1


@pytest.mark.usefixtures("mode_answered")
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
@pytest.mark.parametrize(("method", "arguments", "rpc"), _CALLS)
def test_safe_calls_are_repeated(scripted, call, method, arguments, rpc, code):
    """A call that may be made twice is, once the server is back; what makes or drops something is not."""
    scripted.answers[rpc].appendleft(Refusal(code))
    if rpc in _ONCE:
        with pytest.raises(errors.ShortlistError):
            call(method, *arguments)
        assert len(scripted.requests) == 1
    else:
        call(method, *arguments)
        assert len(scripted.requests) == 2


def test_a_large_request_is_repeated(scripted, call):
    """A request of megabytes is kept to be made again, as a small one is; by default gRPC keeps 256 KiB."""
    scripted.answers["Embed"].append(Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED))
    call("embed", ["x" * 1_000_000] * 60)
    assert len(scripted.requests) == 2


def test_every_call_is_either_repeated_or_named():
    """A call that is added to the proto must be added to the retries, or here."""
    methods = {service.full_name: {method.name for method in service.methods} for service in SERVICES.values()}
    assert {service: set(names) for service, names in channel.REPEATED.items()} == {
        service: names - _ONCE - _STREAMS for service, names in methods.items()
    }


def test_retries_end(scripted, call):
    """A server that stays busy raises Overloaded after five attempts."""
    scripted.answers["Embed"].extend([Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED)] * 9)
    with pytest.raises(errors.Overloaded, match=r"^the server's words$"):
        call("embed", ["text"])
    assert len(scripted.requests) == 5


def test_the_server_says_when_to_come_back(scripted, call):
    """`grpc-retry-pushback-ms` takes the place of the client's own wait; a negative one ends the retries."""
    scripted.answers["Embed"].extend(
        Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, trailers=(("grpc-retry-pushback-ms", value),))
        for value in ("1", "1", "1", "-1", "1")
    )
    with pytest.raises(errors.Overloaded):
        call("embed", ["text"])
    assert len(scripted.requests) == 4


def test_a_deadline_that_passes(scripted, call):
    """A server that does not answer in time raises TimeoutError, with the deadline in the message."""
    over = threading.Event()
    scripted.answers["Embed"].append(lambda _: over.wait(30) and pb.EmbedResponse())
    with pytest.raises(TimeoutError, match=r"timeout_s=0\.2") as caught:
        call("embed", ["text"], timeout_s=0.2)
    over.set()
    assert isinstance(caught.value, errors.DeadlineExceeded)


def test_list_goes_through_all_pages(scripted, call):
    """A collection is read page by page, each asked for with the token of the one before."""
    pages = [(["1", "2"], "t1"), ([], "t2"), (["3"], "")]
    scripted.answers["List"].extend(
        pb.ListResponse(documents=[pb.Document(id=one, text="x") for one in ids], next_page_token=token)
        for ids, token in pages
    )
    assert [document.id for document in call("list", "notes", page_size=2)] == ["1", "2", "3"]
    assert [(page.page_size, page.page_token) for page in scripted.asked("List")] == [(2, ""), (2, "t1"), (2, "t2")]


def test_a_request_that_is_too_large(scripted, call):
    """What is over gRPC's limit is refused with sizes and remedy, and not sent."""
    with pytest.raises(errors.InvalidRequest, match=r"got 67,10.,... bytes, but 67,108,864 is the most; send fewer"):
        call("rerank", "query", ["x" * (64 << 20)])
    assert scripted.requests == []


def test_a_deadline_that_no_call_can_have(scripted, call):
    """What gRPC would take for a deadline that has passed is refused, and not sent."""
    with pytest.raises(errors.InvalidRequest, match=r"^timeout_s: got inf, but 2,592,000 \(30 days\) is the most"):
        call("embed", ["text"], timeout_s=float("inf"))
    assert scripted.requests == []


def test_waiting_for_a_server_that_starts(scripted, call):
    """Waiting outlasts more refusals than one call's retries, and returns what the server runs."""
    pushback = (("grpc-retry-pushback-ms", "1"),)
    scripted.answers["Describe"].extend(
        [Refusal(grpc.StatusCode.UNAVAILABLE, trailers=pushback)] * 12 + [pb.DescribeResponse(version="1.2")]
    )
    assert call("wait_until_ready").version == "1.2"


def test_waiting_for_a_server_that_is_not_there():
    """Waiting ends at its deadline, with an error that names the address."""
    with Client("127.0.0.1:1") as client, pytest.raises(errors.DeadlineExceeded) as caught:
        client.wait_until_ready(0.3)
    assert str(caught.value) == "no server was ready at 127.0.0.1:1 within 0.3 s"


async def test_a_cancelled_task_cancels_its_call(scripted):
    """Cancellation passes through as asyncio's own."""
    reached, over = threading.Event(), threading.Event()
    scripted.answers["Embed"].append(lambda _: (reached.set(), over.wait(30)) and pb.EmbedResponse())
    async with AsyncClient(scripted.address) as client:
        task = asyncio.create_task(client.embed(["text"]))
        await asyncio.to_thread(reached.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    over.set()


def test_threads_share_a_client(scripted):
    """Calls from several threads at once each get their own answer."""
    scripted.answers["Embed"].extend(pb.EmbedResponse(truncated=number) for number in range(40))
    with Client(scripted.address) as client, futures.ThreadPoolExecutor(8) as pool:
        results = [future.result() for future in [pool.submit(client.embed, ["text"]) for _ in range(40)]]
    assert sorted(result.truncated for result in results) == list(range(40))
