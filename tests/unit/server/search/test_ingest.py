"""Streams of documents over real parts, with the tiny models: what is refused, batched, bounded, and how they end."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shortlist.server import app
from shortlist.server.app import Components
from shortlist.server.errors import (
    DeadlineExceeded,
    InferenceFailed,
    ShuttingDown,
    TooLarge,
    UnknownCollection,
)
from shortlist.server.inference.lanes import Lane
from shortlist.server.search.query import Answer, Arrived
from shortlist.server.search.room import Bounds
from shortlist.server.search.streams import Streams
from shortlist.server.settings import Settings
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.document import Document
from two_stages import DOCUMENTS, now, runs

_TEXTS = [" ".join(["a"] * count) for count in range(1, 20)]


@dataclass
class Caller:
    """What sends documents, and what it is answered."""

    answers: list[Answer] = field(default_factory=list)
    read: int = 0  # documents that the server took
    reading: asyncio.Event = field(default_factory=asyncio.Event)  # answers are read while it is set
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reading.set()

    async def messages(self, *messages: Sequence[Arrived]) -> AsyncIterator[Sequence[Arrived]]:
        """Send some messages."""
        for message in messages:
            self.read += len(message)
            yield message

    async def answer(self, answers: Sequence[Answer]) -> None:
        """Take answers, once they are read."""
        self.told.set()
        await self.reading.wait()
        self.answers += answers

    @property
    def outcomes(self) -> list[str]:
        """Return what became of each document, in their order."""
        ordered = sorted(self.answers, key=lambda answer: answer.index)
        assert [answer.index for answer in ordered] == list(range(len(ordered)))
        return [answer.fate.outcome if answer.fate else str(answer.refusal) for answer in ordered]


def arrived(*documents: Document, vectors: Sequence[Sequence[float] | None] = ()) -> list[Arrived]:
    """Return documents as they come."""
    given = [*vectors, *[None] * len(documents)]
    return [Arrived(each, vector, 100) for each, vector in zip(documents, given, strict=False)]


@pytest.fixture
def caller() -> Caller:
    """Return a caller who reads answers."""
    return Caller()


@pytest.fixture
async def collection(components: Components) -> Collection:
    """Make an empty collection."""
    return (await components.pipeline.contents.create("c", exist_ok=False))[0]


@pytest.fixture
def ingest(components: Components, collection: Collection, caller: Caller) -> Callable:
    """Return what sends messages to the collection, waits for the end, and tells what became of each document."""

    async def send(*messages: Sequence[Arrived], deadline: float = math.inf) -> list[str]:
        caller.answers.clear()
        given = caller.messages(*messages)
        await components.pipeline.streams.run(collection, given, caller.answer, deadline)
        return caller.outcomes

    return send


@pytest.fixture
def transactions(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note of how many documents each transaction is."""
    counts: list[int] = []
    upsert = collection.upsert

    def noting(documents, *rest):
        counts.append(len(documents))
        return upsert(documents, *rest)

    monkeypatch.setattr(collection, "upsert", noting)
    return counts


async def test_what_became_of_each(ingest: Callable, collection: Collection, components: Components):
    """Each document is answered for itself: new, replaced, relabelled, as it was; only what is new is embedded."""
    first = DOCUMENTS[:3]
    assert await ingest(arrived(*first)) == ["inserted"] * 3
    before = runs(components)[Lane.INGEST]
    relabelled = Document("1", first[1].text, metadata='{"n":1}')
    again = arrived(first[0], relabelled, Document("2", "another"), Document("new", "new"))
    assert await ingest(again) == ["unchanged", "updated", "updated", "inserted"]
    assert before < runs(components)[Lane.INGEST] <= before + 2
    assert collection.get(["1", "2"])["2"].text == "another"


async def test_bad_documents_fail_no_others(ingest: Callable, collection: Collection, components: Components):
    """Whatever is wrong with a document is told of it by field, and its neighbours are stored."""
    good = DOCUMENTS[:6]
    width = components.pipeline.embedder.dimensions
    bad = arrived(
        Document("", "text"),
        Document("blank", " "),
        Document("long", "x" * ((1 << 20) + 1)),
        Document("nan", "text", metadata='{"n":NaN}'),
        Document("short vector", "text"),
        Document("bad vector", "text"),
        vectors=[None, None, None, None, [1.0], [math.nan] * width],
    )
    mixed = [each for pair in zip(arrived(*good), bad, strict=True) for each in pair]
    found = await ingest(mixed)
    assert found[::2] == ["inserted"] * 6
    assert [refusal.split(":")[0] for refusal in found[1::2]] == [
        "id",
        "text",
        "text",
        "metadata['n']",
        "vector",
        "vector[0]",
    ]
    assert len(collection) == 6


async def test_an_id_that_is_under_way(ingest: Callable, collection: Collection):
    """A document whose id came a moment ago, and is not written yet, is refused; the first one is stored."""
    found = await ingest(arrived(Document("a", "first"), Document("b", "b"), Document("a", "second")))
    assert found[:2] == ["inserted"] * 2
    assert found[2].startswith("id: got 'a', but document 0 of the stream has the same id and is not answered yet")
    assert collection.get(["a"])["a"].text == "first"


async def test_vectors_are_taken_as_they_are(ingest: Callable, collection: Collection, components: Components):
    """Documents that bring vectors come to no model, and keep them."""
    vector = [0.5] * components.pipeline.embedder.dimensions
    before = runs(components)
    assert await ingest(arrived(*DOCUMENTS[:2], vectors=[vector, vector])) == ["inserted"] * 2
    assert runs(components) == before
    assert collection.vectors_of(["1"])["1"].tolist() == vector


async def test_a_document_that_the_model_cannot_run(
    ingest: Callable, caller: Caller, collection: Collection, components: Components, monkeypatch: pytest.MonkeyPatch
):
    """It is refused alone, and so is one of which the model makes no number."""
    graph = components.pipeline.embedder.graph
    run = graph.run

    def failing(items):
        lengths = {len(item) for item in items}
        if 9 in lengths:
            raise RuntimeError("nine tokens")
        return run(items) * (math.nan if 11 in lengths else 1.0)

    monkeypatch.setattr(graph, "run", failing)
    tokenizer = components.pipeline.embedder.tokenizer
    by_length = {len(item): text for text in _TEXTS for item in tokenizer.encode([text])}
    texts = [by_length[9], by_length[8], by_length[11], by_length[10]]
    found = await ingest(arrived(*(Document(str(place), text) for place, text in enumerate(texts))))
    failed = "the model could not run this document; the server's log has the cause"
    assert found == [failed, "inserted", failed, "inserted"]
    assert {type(answer.refusal) for answer in caller.answers if answer.refusal} == {InferenceFailed}
    assert sorted(collection.get(["0", "1", "2", "3"])) == ["1", "3"]


async def test_what_arrives_together_is_written_together(ingest: Callable, transactions: list[int]):
    """Single documents that come one after the other make full transactions, and not one each."""
    messages = [arrived(Document(str(number), f"text {number}")) for number in range(200)]
    assert await ingest(*messages) == ["inserted"] * 200
    assert sorted(transactions) == [8, 64, 64, 64]  # several are written side by side


async def test_what_brings_vectors_is_written_in_larger_batches(
    ingest: Callable, transactions: list[int], components: Components
):
    """Documents of which none is embedded make transactions of four times as many."""
    vector = [0.5] * components.pipeline.embedder.dimensions
    documents = [Document(str(number), f"text {number}") for number in range(300)]
    assert await ingest(arrived(*documents, vectors=[vector] * 300)) == ["inserted"] * 300
    assert sorted(transactions) == [44, 256]


async def test_what_is_held_is_bounded(components: Components, collection: Collection, caller: Caller):
    """Of a caller who reads no answers no more is read than the bound and a message; later all is answered."""
    streams = Streams(components.pipeline.upserts, Bounds(documents=20, size_bytes=1 << 20))
    documents = [Document(str(number), f"text {number}") for number in range(100)]
    messages = [arrived(*documents[start : start + 8]) for start in range(0, 100, 8)]
    caller.reading.clear()
    running = asyncio.create_task(streams.run(collection, caller.messages(*messages), caller.answer))
    await asyncio.wait_for(caller.told.wait(), 20)
    assert (caller.read, len(collection)) == (24, 24)
    assert (streams.room.documents, streams.room.size_bytes) == (24, 2400)
    assert caller.answers == []
    caller.reading.set()
    await running
    assert caller.outcomes == ["inserted"] * 100
    assert (streams.room.documents, streams.room.size_bytes) == (0, 0)


async def test_a_caller_that_leaves(components: Components, collection: Collection, caller: Caller):
    """Nothing is held of a caller who is gone, and what was written stays."""
    caller.reading.clear()
    streams = components.pipeline.streams
    running = asyncio.create_task(
        streams.run(collection, caller.messages(arrived(*DOCUMENTS[:10])), caller.answer, math.inf)
    )
    await asyncio.wait_for(caller.told.wait(), 20)
    assert streams.room.documents == 10
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (streams.room.documents, streams.room.size_bytes, len(collection)) == (0, 0, 10)


async def test_a_message_that_holds_too_many(ingest: Callable, caller: Caller):
    """A message at fault ends the stream by its field, once what came before is answered."""
    with pytest.raises(
        TooLarge, match=r"^documents: got 1001, but a message holds 1000 at most; send them in several"
    ):
        await ingest(arrived(*DOCUMENTS[:5]), arrived(*[DOCUMENTS[0]] * 1001))
    assert caller.outcomes == ["inserted"] * 5


async def test_a_collection_that_is_dropped(components: Components, collection: Collection, caller: Caller):
    """A stream into a collection that is dropped ends with that, though its caller sends no more."""

    async def messages() -> AsyncIterator[Sequence[Arrived]]:
        yield arrived(*DOCUMENTS[:3])
        await asyncio.wait_for(caller.told.wait(), 20)
        await components.pipeline.contents.drop("c")
        yield arrived(DOCUMENTS[4])
        await asyncio.Event().wait()

    with pytest.raises(UnknownCollection):
        await components.pipeline.streams.run(collection, messages(), caller.answer)
    assert caller.outcomes == ["inserted"] * 3


async def test_a_server_that_stops(components: Components, collection: Collection, caller: Caller):
    """A stop ends streams that would go on, with what was written answered; none is taken after it."""

    async def messages() -> AsyncIterator[Sequence[Arrived]]:
        yield arrived(*DOCUMENTS[:3])
        await asyncio.wait_for(caller.told.wait(), 20)
        components.pipeline.streams.stop()
        await asyncio.Event().wait()

    with pytest.raises(ShuttingDown, match="send what was not answered to another one, or again later"):
        await components.pipeline.streams.run(collection, messages(), caller.answer)
    assert caller.outcomes == ["inserted"] * 3
    with pytest.raises(ShuttingDown):
        await components.pipeline.streams.run(collection, caller.messages(), caller.answer)


async def test_a_stream_has_a_deadline(components: Components, ingest: Callable, caller: Caller):
    """A stream whose deadline came reads no more, and says so."""
    with pytest.raises(DeadlineExceeded):
        await ingest(arrived(DOCUMENTS[0]), deadline=now(components) - 1)
    assert len(caller.answers) <= 1


@pytest.fixture
def narrow(tiny, tmp_path: Path):
    """Build components whose queue holds three or four short texts, and no long one."""
    models = {"embedder": tiny.embedder, "reranker": tiny.reranker}
    variants = {"embedder_variant": "fp32", "reranker_variant": "fp32"}
    built = app.build(Settings(**models, **variants, data=tmp_path / "narrow", slots=1, queue_tokens=30))
    yield built
    built.close()


async def test_a_queue_that_is_full(narrow: Components, caller: Caller):
    """Batches that the queue cannot hold go in parts, which wait for each other; one document may be too long."""
    collection, _ = await narrow.pipeline.contents.create("c", exist_ok=False)
    documents = [Document(str(number), f"the number {number} and some words") for number in range(150)]
    documents[70] = Document("long", "word " * 120)
    await narrow.pipeline.streams.run(collection, caller.messages(arrived(*documents)), caller.answer)
    refused = {place: outcome for place, outcome in enumerate(caller.outcomes) if outcome != "inserted"}
    assert set(refused) == {70}
    assert "but the server's whole queue holds 30; send less at once" in refused[70]
    assert len(collection) == 149
