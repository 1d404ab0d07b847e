"""Both clients' ingest against a gRPC server that answers as each test tells it to."""

import asyncio
import itertools
import threading
from collections import Counter

import grpc
import pytest

from fake_server import Refusal, Taking
from shortlist.client import AsyncClient, Client, Document, errors
from shortlist.client import ingest as ledger
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.errors import TooLarge
from shortlist.server.rpc import statuses

DOCUMENTS = [Document(str(number), f"text {number}") for number in range(300)]
IDS = [document.id for document in DOCUMENTS]


@pytest.fixture(params=["Client", "AsyncClient"])
def ingest(request, scripted, monkeypatch):
    """Ingest documents with either client, and return all results."""
    monkeypatch.setattr(ledger, "_FIRST_WAIT_S", 0.001)

    def with_client(documents, **fields):
        with Client(scripted.address) as client:
            return list(client.ingest("notes", documents, **fields))

    async def with_async_client(documents, **fields):
        async with AsyncClient(scripted.address) as client:
            return [result async for result in client.ingest("notes", documents, **fields)]

    if request.param == "Client":
        return with_client
    return lambda documents, **fields: asyncio.run(with_async_client(documents, **fields))


@pytest.fixture
def taking(scripted):
    """Let the server take documents."""
    taking = scripted.defaults["Ingest"] = Taking()
    return taking


def test_every_document_is_answered(ingest, taking, scripted):
    """All documents arrive in their order in several messages; each result has its document and place."""
    results = ingest(iter(DOCUMENTS))
    assert taking.streams == [IDS]
    assert sorted((one.index, one.outcome) for one in results) == [(place, "inserted") for place in range(300)]
    assert all(one.document is DOCUMENTS[one.index] for one in results)
    first, *rest = scripted.asked("Ingest")
    assert first == pb.IngestRequest(start=pb.IngestStart(collection="notes"))
    assert max(len(message.documents) for message in rest) <= 64


def test_a_collection_may_be_made(ingest, taking, scripted):
    """With `create` the first message says so; without documents nothing is sent at all."""
    assert ingest([], create=True) == []
    assert scripted.requests == []
    ingest(DOCUMENTS[:1], create=True)
    start = scripted.asked("Ingest")[0].start
    assert (start.create.name, start.create.exist_ok) == ("notes", True)


def test_refused_documents(ingest, taking):
    """What the server refuses, and what cannot be sent, is told of its document as an error of its kind."""

    def fate(document):
        outcome = pb.IngestOutcome.Value(f"INGEST_OUTCOME_{document.title}")
        if document.title != "REFUSED":
            return pb.IngestResult(outcome=outcome, truncated=document.title == "UPDATED")
        refusal = pb.Refusal(reason=document.source, field=document.text, message="the server's words")
        return pb.IngestResult(outcome=outcome, refusal=refusal)

    taking.fate = fate
    given = [
        Document("a", "x", "UNCHANGED"),
        Document("b", "x", "UPDATED"),
        Document("c", "id", "REFUSED", source="INVALID_REQUEST"),
        Document("d", "request", "REFUSED", source="TOO_LARGE"),
        Document("e", "", "REFUSED", source="INFERENCE_FAILED"),
        Document("f", "x", metadata={"when": object()}),
        "no document",
        Document("g", "x" * (64 << 20)),
    ]
    results = sorted(ingest(given), key=lambda one: one.index)
    assert [one.outcome for one in results] == ["unchanged", "updated", *["refused"] * 6]
    assert [one.truncated for one in results[:2]] == [False, True]
    found = [one.error for one in results[2:]]
    assert [type(error) for error in found] == [
        errors.InvalidRequest,
        errors.TooLarge,
        errors.ServerError,
        errors.InvalidRequest,
        errors.InvalidRequest,
        errors.TooLarge,
    ]
    assert [(error.reason, getattr(error, "field", None)) for error in found[:3]] == [
        ("INVALID_REQUEST", "id"),
        ("TOO_LARGE", "request"),
        ("INFERENCE_FAILED", None),
    ]
    assert taking.streams == [["a", "b", "c", "d", "e"]]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_what_was_not_answered_is_sent_again(ingest, taking, scripted, code):
    """After a line that broke twice, all that was not answered comes on another, in order; nothing is told twice."""
    scripted.answers["Ingest"].extend([Refusal(code), taking, taking, Refusal(code)])
    results = ingest(DOCUMENTS)
    assert Counter(one.document.id for one in results) == dict.fromkeys(IDS, 1)
    assert len(taking.streams) == 2
    first, second = taking.streams
    assert first == IDS[: len(first)]
    # grpc.aio drops answers that have come when it reads how the line ended: those documents are sent twice.
    assert second == IDS[-len(second) :]
    assert len(second) >= len(IDS) - len(first)


def test_a_server_that_ends_a_stream_early(ingest, taking, scripted):
    """A stream that ends as if all was answered, and is not, is opened again."""

    def deaf_at_first(request):
        answer = taking(request)
        return answer if len(taking.streams) > 1 else pb.IngestResponse()

    scripted.defaults["Ingest"] = deaf_at_first
    results = ingest(DOCUMENTS[:10])
    assert [one.index for one in sorted(results, key=lambda one: one.index)] == list(range(10))
    assert taking.streams == [IDS[:10]] * 2


@pytest.mark.parametrize(
    ("code", "error"),
    [(grpc.StatusCode.NOT_FOUND, errors.NotFound), (grpc.StatusCode.INTERNAL, errors.ServerError)],
)
def test_what_does_not_pass_ends_it(ingest, scripted, code, error):
    """An error that would come again is raised at once, in the server's words."""
    scripted.answers["Ingest"].append(Refusal(code))
    with pytest.raises(error, match="the server's words"):
        ingest(DOCUMENTS)
    assert len(scripted.requests) == 1


def test_a_server_that_stays_away(ingest, scripted):
    """Where no answer comes for as long as was asked for, the last error is raised."""
    scripted.defaults["Ingest"] = Refusal(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(errors.Unavailable, match="the server's words"):
        ingest(DOCUMENTS[:3], timeout_s=1.2)
    assert len(scripted.requests) > 2


def test_a_server_that_is_silent(ingest, taking, scripted):
    """A server that takes documents and does not answer them is given up, with how many wait."""
    over = threading.Event()
    scripted.answers["Ingest"].extend([taking, lambda _: over.wait(30) and pb.IngestResponse()])
    with pytest.raises(errors.DeadlineExceeded, match=r"^no answer came to 3 documents \(timeout_s=1\.2\)"):
        ingest(DOCUMENTS[:3], timeout_s=1.2)
    over.set()


def test_messages_that_are_too_large(ingest, taking, scripted):
    """Where the server takes less in a message less is sent; the one document that is too large alone is refused."""

    def narrow(request):
        most = 5
        size = sum(len(document.text) for document in request.documents)
        if size > 500 or len(request.documents) > most:
            over = TooLarge("documents", len(request.documents), "the limit is less", "send less")
            return Refusal(*statuses.of(over))
        return taking(request)

    scripted.defaults["Ingest"] = narrow
    given = [*DOCUMENTS[:100], Document("large", "x" * 501), *DOCUMENTS[100:]]
    results = sorted(ingest(given), key=lambda one: one.index)
    assert [one.index for one in results] == list(range(301))
    assert [one.document.id for one in results if one.error] == ["large"]
    assert isinstance(results[100].error, errors.TooLarge)


def test_documents_are_asked_for_as_they_are_taken(ingest, scripted, taking, monkeypatch):
    """Of documents without end no more are asked for than what may wait for answers."""
    monkeypatch.setattr(ledger, "_MOST_DOCUMENTS", 50)
    over = threading.Event()
    scripted.answers["Ingest"].extend([taking, lambda _: over.wait(30) and pb.IngestResponse()])
    asked = itertools.count()
    with pytest.raises(errors.DeadlineExceeded, match="no answer came to 50 documents"):
        ingest((DOCUMENTS[next(asked)] for _ in itertools.count()), timeout_s=1.2)
    assert next(asked) == 50
    over.set()


def test_an_error_of_the_documents_passes(ingest, taking):
    """What the caller's own documents raise is what the caller gets."""

    def documents():
        yield from DOCUMENTS[:10]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ingest(documents())


def test_arguments_are_checked_before_anything_is_sent(ingest, scripted):
    """What is no collection, no documents or no time is refused by its name."""
    for fields, message in (
        ({"documents": "text"}, "documents: got 'text', but it must be several documents"),
        ({"documents": DOCUMENTS, "timeout_s": -1}, "timeout_s: got -1"),
        ({"documents": DOCUMENTS, "create": "yes"}, "create: got 'yes'"),
    ):
        with pytest.raises(errors.InvalidRequest, match=f"^{message}"):
            ingest(**fields)
    assert scripted.requests == []


async def test_documents_may_come_in_time(scripted, taking):
    """AsyncClient takes documents of an async iterator, and answers those that came while it waits for more."""
    answered = asyncio.Event()

    async def documents():
        yield DOCUMENTS[0]
        await asyncio.wait_for(answered.wait(), 30)
        yield DOCUMENTS[1]

    found = []
    async with AsyncClient(scripted.address) as client:
        async for result in client.ingest("notes", documents()):
            found.append(result.document.id)
            answered.set()
    assert found == ["0", "1"]


def test_an_ingest_that_is_left(scripted, taking):
    """Whoever stops asking for results closes the stream; the client goes on."""
    with Client(scripted.address) as client:
        results = client.ingest("notes", itertools.cycle(DOCUMENTS))
        assert next(results).outcome == "inserted"
        results.close()
        assert client.count("notes") == 0


def test_a_client_that_is_closed(scripted):
    """A closed client opens no stream."""
    client = Client(scripted.address)
    client.close()
    with pytest.raises(errors.UnusableClient):
        next(client.ingest("notes", DOCUMENTS))
