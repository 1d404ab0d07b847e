"""Documents' token vectors, without a server: made as they are written, or in the background."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import word_vectors
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.app import Components
from shortlist.server.errors import (
    DeadlineExceeded,
    InferenceFailed,
    NoTokens,
    Overloaded,
    StorageFailed,
    TooLarge,
    UnknownCollection,
)
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observing.state import State
from shortlist.server.rpc import conversion
from shortlist.server.runtime import late_interaction
from shortlist.server.search import token_upkeep
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import Answer, Arrived
from shortlist.server.search.reindexing import origin
from shortlist.server.storage.catalog import Catalog
from shortlist.server.storage.document import Document
from shortlist.server.storage.listing import Page
from two_stages import DOCUMENTS as ALL
from two_stages import LONG_S, now
from word_vectors import WordVectors

DOCUMENTS = ALL[:20]

Serve = Callable[..., Pipeline]


@pytest.fixture
async def serve(components: Components, tmp_path: Path) -> AsyncIterator[Serve]:
    """Return what serves one data folder with a late-interaction model, or none, after whatever served it before."""
    running: list[Pipeline] = []
    own = components.pipeline

    def start(model: WordVectors | None, pooling: str | None = None) -> Pipeline:
        made_by = None if model is None else origin(model.info)
        embedder = origin(own.embedder.info)
        catalog = Catalog(tmp_path / "tokens", embedder, token_model=made_by, token_pooling=pooling)
        running.append(Pipeline(own.embedders, own.scorer, catalog, own.limits, late_interaction=model))
        running[0].token_upkeep.start()
        return running[0]

    async def again(model: WordVectors | None, pooling: str | None = None) -> Pipeline:
        await stop()
        return start(model, pooling)

    async def stop() -> None:
        if running:
            await running[0].token_upkeep.close()
            running.pop().close()

    yield again
    await stop()


@pytest.fixture
def write(components: Components) -> Callable:
    """Return what writes documents into `c`."""

    async def write(pipeline: Pipeline, documents: Sequence[Document] = DOCUMENTS) -> None:
        await pipeline.upsert("c", documents, now(components) + LONG_S)

    return write


async def until(pipeline: Pipeline, state: str) -> token_upkeep.TokenState:
    """Wait until the token vectors of `c` are in a state."""
    async with asyncio.timeout(60):
        while (found := pipeline.token_upkeep.state(pipeline.contents.collection("c"))).state != state:
            await asyncio.to_thread(int)  # a turn for the others
    return found


def assert_own(pipeline: Pipeline, dimensions: int = 4) -> None:
    """Check that each document of `c` has the token vectors of its own text."""
    collection = pipeline.contents.collection("c")
    documents = dict(collection.page(Page(size=1000, most_bytes=1 << 30))[0])
    query = word_vectors.vectors("a query of five words", dimensions)
    found, scores = collection.maxsim(query, np.array(list(documents), np.int64))
    assert sorted(found.tolist()) == sorted(documents)
    own = [word_vectors.vectors(documents[number].content, dimensions) for number in found.tolist()]
    assert scores == pytest.approx(late_interaction.maxsim(query, own), abs=0.05)


async def test_what_is_written_has_them(serve: Serve, write: Callable):
    """A document has its token vectors when its upsert is answered; what comes again unchanged is not run again."""
    model = WordVectors()
    pipeline = await serve(model, "none")
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    assert pipeline.token_upkeep.state(pipeline.contents.collection("c")) == ("ready", "")
    assert_own(pipeline)
    await write(pipeline, [*DOCUMENTS[:3], Document("new", "a text of its own"), Document("9", "another text")])
    assert model.asked == [[one.content for one in DOCUMENTS], ["a text of its own", "another text"]]
    assert_own(pipeline)


async def test_documents_that_bring_vectors(serve: Serve, components: Components):
    """A document that brings its vector gets its token vectors all the same."""
    pipeline = await serve(WordVectors(), "none")
    await pipeline.contents.create("c", exist_ok=False)
    vector = np.ones(pipeline.embedder.dimensions, np.float32).tolist()
    await pipeline.upsert("c", DOCUMENTS[:2], now(components) + LONG_S, [vector, None])
    assert_own(pipeline)


@pytest.mark.parametrize("pooling", ["by-two", "none"])
async def test_pooled_by_two(serve: Serve, write: Callable, pooling: str):
    """A collection that is pooled by two has half the vectors, whether they come with the documents or later."""
    pipeline = await serve(WordVectors())
    await pipeline.contents.create("c", exist_ok=False, token_pooling=pooling)
    await write(pipeline)
    collection, words = pipeline.contents.collection("c"), [len(one.content.split()) for one in DOCUMENTS]
    expected = sum(1 + max((count - 1) // 2, 1) if count > 1 else 1 for count in words)
    expected = expected if pooling == "by-two" else sum(words)
    assert (collection.token_vectors.vectors, collection.token_vectors.pooling) == (expected, pooling)
    await pipeline.contents.set_token_vectors("c", "no-vectors")
    await pipeline.contents.set_token_vectors("c", pooling)
    await until(pipeline, "ready")
    assert collection.token_vectors.vectors == expected


async def test_made_in_the_background(serve: Serve, write: Callable, monkeypatch: pytest.MonkeyPatch):
    """A collection that is to have them gets them, also of what is written meanwhile."""
    monkeypatch.setattr(token_upkeep, "_BATCH", 7)
    model = WordVectors()
    pipeline = await serve(model)
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    assert (pipeline.token_upkeep.state(pipeline.contents.collection("c")).state, model.asked) == ("none", [])
    model.calls = 0
    collection = await pipeline.contents.set_token_vectors("c", "none")
    assert pipeline.token_upkeep.state(collection) == ("making", "")
    writing = asyncio.create_task(write(pipeline, [Document("0", "written meanwhile"), Document("new", "new")]))
    model.release()
    await writing
    await pipeline.contents.delete("c", ["1"])
    await until(pipeline, "ready")
    assert_own(pipeline)
    assert max(map(len, model.asked[:3])) == 7


async def test_an_upsert_that_began_before_the_choice(serve: Serve, write: Callable, components: Components):
    """What was written without token vectors, since its upsert began before they were wanted, gets them later."""
    pipeline = await serve(WordVectors())
    collection, _ = await pipeline.contents.create("c", exist_ok=False)
    upsert, loop = collection.upsert, asyncio.get_running_loop()

    def late(*given):
        choice = pipeline.contents.set_token_vectors("c", "none")
        asyncio.run_coroutine_threadsafe(choice, loop).result()
        return upsert(*given)

    collection.upsert = late
    await write(pipeline)
    await until(pipeline, "ready")
    assert_own(pipeline)


async def test_the_next_start_goes_on(serve: Serve, write: Callable, monkeypatch: pytest.MonkeyPatch):
    """What was made before a server ended is kept, and its next start makes the rest."""
    monkeypatch.setattr(token_upkeep, "_BATCH", 7)
    pipeline = await serve(None)
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    texts = [one.content for one in DOCUMENTS]
    first = WordVectors()
    first.calls = 1
    pipeline = await serve(first)
    await pipeline.contents.set_token_vectors("c", "none")
    async with asyncio.timeout(60):
        while len(first.asked) < 2:
            await asyncio.to_thread(int)  # a turn for the others
    second = WordVectors()
    pipeline = await serve(second)
    await until(pipeline, "ready")
    assert first.asked[1] == second.asked[0]  # the batch that was cut off
    assert [*first.asked[:1], *second.asked] == [texts[:7], texts[7:14], texts[14:]]
    assert_own(pipeline)


async def test_without_the_model_and_with_another(serve: Serve, write: Callable):
    """Without the model they are not used, and what is written lacks them; another model makes all anew by itself."""
    pipeline = await serve(WordVectors(), "none")
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    pipeline = await serve(None)
    await write(pipeline, [Document("new", "written without")])
    found = await until(pipeline, "unusable")
    what = "they are of words (fp32), and the server has no late-interaction model"
    assert found.fault == f"{what}; start it with --late-interaction BUNDLE"
    model = WordVectors()
    pipeline = await serve(model)
    await until(pipeline, "ready")
    assert model.asked == [["written without"]]
    assert_own(pipeline)
    other = WordVectors(6, "beef")
    pipeline = await serve(other)
    await until(pipeline, "ready")
    there = pipeline.contents.collection("c").token_vectors
    assert (there.fingerprint, there.dimensions, sum(map(len, other.asked))) == ("beef", 6, len(DOCUMENTS) + 1)
    assert_own(pipeline, 6)


@pytest.mark.parametrize("why", ["unreadable", "unknown"])
async def test_a_document_that_the_model_cannot_run(serve: Serve, write: Callable, why: str):
    """It is named, all others have theirs, and once it is gone the collection is whole."""
    pipeline = await serve(None)
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline, [*DOCUMENTS[:3], Document("bad", "xyzzy"), *DOCUMENTS[3:]])
    model = WordVectors()
    setattr(model, why, "xyzzy")
    pipeline = await serve(model)
    await pipeline.contents.set_token_vectors("c", "by-two")
    found = await until(pipeline, "unusable")
    assert found.fault == (
        f"the model cannot run 1 of {len(DOCUMENTS) + 1} documents, the first of them 'bad'; change or delete them"
    )
    await pipeline.contents.delete("c", ["bad"])
    assert pipeline.token_upkeep.state(pipeline.contents.collection("c")).state == "ready"


async def test_a_text_that_cannot_be_run_is_not_written(serve: Serve, write: Callable, components: Components):
    """An upsert with a text that the model cannot run writes nothing; an ingest refuses that document alone."""
    model = WordVectors()
    model.unreadable = "xyzzy"
    pipeline = await serve(model, "none")
    collection, _ = await pipeline.contents.create("c", exist_ok=False)
    documents = [DOCUMENTS[0], Document("bad", "xyzzy")]
    with pytest.raises(InferenceFailed):
        await write(pipeline, documents)
    model.unknown = "xyzzy plugh"
    with pytest.raises(NoTokens, match=r"^documents\[1\]\.text: "):
        await write(pipeline, [DOCUMENTS[0], Document("bad", "xyzzy plugh")])
    assert len(collection) == 0
    answers: list[Answer] = []

    async def arriving() -> AsyncIterator[list[Arrived]]:
        yield [Arrived(one, None, 10) for one in documents]

    async def answer(some: Sequence[Answer]) -> None:
        answers.extend(some)

    await pipeline.streams.run(collection, arriving(), answer, math.inf)
    assert sorted((one.index, type(one.refusal)) for one in answers) == [(0, type(None)), (1, InferenceFailed)]
    assert_own(pipeline)


async def test_a_busy_server(serve: Serve, write: Callable):
    """A batch that is refused, late or too large is made again, as long as it takes, and in parts."""
    pipeline = await serve(None)
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    model = WordVectors()
    size = len(DOCUMENTS)
    limit = TooLarge("texts", size, "the queue holds less", "send less")
    model.faults = [Overloaded("full", 1), DeadlineExceeded("late"), limit]
    pipeline = await serve(model)
    await pipeline.contents.set_token_vectors("c", "none")
    await until(pipeline, "ready")
    assert [len(one) for one in model.asked][:5] == [size, size, size, size // 2, size // 2]
    assert_own(pipeline)


async def test_a_disk_that_fails(serve: Serve, write: Callable, monkeypatch: pytest.MonkeyPatch):
    """What failed is told, and tried again when something is written."""
    model = WordVectors()
    pipeline = await serve(model)
    collection, _ = await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    with monkeypatch.context() as broken:

        def full(*_: object) -> None:
            raise StorageFailed("the disk is full")

        broken.setattr(collection.token_making, "add", full)
        await pipeline.contents.set_token_vectors("c", "none")
        assert (await until(pipeline, "unusable")).fault == "the disk is full"
    await write(pipeline, [Document("new", "there is room again")])
    await until(pipeline, "ready")
    assert_own(pipeline)


async def test_what_is_not_wanted_is_dropped(serve: Serve, write: Callable):
    """Token vectors that are not wanted any more leave the disk; so does a collection in the middle of its making."""
    model = WordVectors()
    pipeline = await serve(model, "none")
    collection, _ = await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    await pipeline.contents.set_token_vectors("c", "no-vectors")
    assert pipeline.token_upkeep.state(collection) == ("none", "")
    async with asyncio.timeout(60):
        while await asyncio.to_thread(lambda: collection.token_making.untidy):
            pass
    model.calls = len(model.asked)
    await pipeline.contents.set_token_vectors("c", "none")
    await pipeline.contents.drop("c")
    model.release()
    with pytest.raises(UnknownCollection):
        pipeline.contents.collection("c")
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    assert_own(pipeline)


async def test_a_snapshot(serve: Serve, write: Callable):
    """A copy has the token vectors of its moment; one that lacks some gets them once it is restored."""
    pipeline = await serve(WordVectors(), "none")
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline, DOCUMENTS[:5])
    pipeline = await serve(None)
    await write(pipeline, DOCUMENTS)
    await pipeline.contents.take_snapshot("s", ())
    await pipeline.contents.drop("c")
    model = WordVectors()
    pipeline = await serve(model)
    await pipeline.contents.restore("s", ())
    await until(pipeline, "ready")
    assert model.asked == [[one.content for one in DOCUMENTS[5:]]]
    assert_own(pipeline)


async def test_monitored(serve: Serve, write: Callable, components: Components):
    """How far a collection is, what it takes, and whether it is used are metrics, of those that are to have some."""
    pipeline = await serve(WordVectors())
    await pipeline.contents.create("c", exist_ok=False)
    await write(pipeline)
    state = State(pipeline, components.scheduler, Watchdog(components.scheduler, pipeline.probe))

    def found() -> dict[str, float]:
        samples = [sample for family in state._token_vectors() for sample in family.samples]
        return {sample.name.rpartition("_")[2]: sample.value for sample in samples}

    assert found() == {}
    collection = await pipeline.contents.set_token_vectors("c", "none")
    assert found() == {"documents": 0, "bytes": 0, "used": 0}
    await until(pipeline, "ready")
    words = sum(len(one.content.split()) for one in DOCUMENTS)
    assert found() == {"documents": len(DOCUMENTS), "bytes": 6 * words, "used": 1}
    message = conversion.collection_message(collection, pipeline.token_upkeep.state(collection)).token_vectors
    assert message == pb.TokenVectors(
        pooling=pb.TOKEN_POOLING_NONE,
        state=pb.TOKEN_VECTORS_STATE_READY,
        model="words (fp32)",
        model_fingerprint="1a7e",
        dimensions=4,
        documents=len(DOCUMENTS),
        vectors=words,
        size_bytes=6 * words,
    )
