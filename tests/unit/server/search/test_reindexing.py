"""Collections made anew, without a server: what ends a reindex, what goes on, and what waits for what."""

import asyncio
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from shortlist.server.app import Components
from shortlist.server.errors import DeadlineExceeded, InvalidRequest, NoTokens, Overloaded
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.models import Embedder
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.reindex import Progress
from shortlist.server.storage.document import Document, Origin
from shortlist.server.storage.remaking import LAST
from two_stages import DOCUMENTS, LONG_S, now


@pytest.fixture
async def other(tiny, components: Components, tmp_path: Path) -> Embedder:
    """Return another embedder, which is served: the same graph behind another prefix."""
    folder = tmp_path / "other"
    shutil.copytree(tiny.embedder, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"document_prefix": ""', '"document_prefix": "passage: "'))
    return await asyncio.to_thread(components.pipeline.embedders.add, folder, "fp32")


@pytest.fixture
async def pipeline(components: Components) -> Pipeline:
    """Return a pipeline with a collection `c` of all documents."""
    await components.pipeline.contents.create("c", exist_ok=False)
    await components.pipeline.upsert("c", DOCUMENTS, now(components) + LONG_S)
    return components.pipeline


async def ended(pipeline: Pipeline) -> Progress:
    """Return what came of the reindex of `c`."""
    progress = pipeline.reindexing.get("c")
    while progress.state == "running":
        progress = await pipeline.reindexing.after("c", progress.made, float("inf"))
    return progress


async def test_made_anew(pipeline: Pipeline, other: Embedder, components: Components):
    """A collection is made anew in the ingest lane, and is searched by the new embedder from then on."""
    before = components.scheduler.statistics().runs
    assert other.fingerprint != pipeline.embedder.fingerprint
    progress = await pipeline.reindexing.start("c", str(other.path), "fp32")
    assert (progress.state, progress.documents) == ("running", len(DOCUMENTS))
    assert (await ended(pipeline)).made == len(DOCUMENTS)
    runs = components.scheduler.statistics().runs
    assert runs[Lane.INGEST] > before[Lane.INGEST]
    assert runs[Lane.QUERY] == before[Lane.QUERY]
    collection = pipeline.contents.collection("c")
    assert collection.origin.fingerprint == other.fingerprint
    assert collection.bundle == str(other.path)
    expected = await other.embed([DOCUMENTS[3].content], "document", Lane.INGEST, now(components) + LONG_S)
    assert collection.vectors_of(["3"])["3"].tolist() == expected.values[0].tolist()


async def test_a_caller_that_leaves(pipeline: Pipeline, other: Embedder, monkeypatch: pytest.MonkeyPatch):
    """A caller that leaves while the embedder is loaded has begun it all the same."""
    add, loading, go_on = pipeline.embedders.add, threading.Event(), threading.Event()

    def slow(*given):
        loading.set()
        go_on.wait()
        return add(*given)

    monkeypatch.setattr(pipeline.embedders, "add", slow)
    call = asyncio.create_task(pipeline.reindexing.start("c", str(other.path), "fp32"))
    await asyncio.to_thread(loading.wait)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert pipeline.reindexing.get("c").state == "none"
    go_on.set()
    await asyncio.wait(set(pipeline.reindexing._tasks))
    assert (await ended(pipeline)).state == "done"


async def test_embedders_that_nothing_needs(pipeline: Pipeline, other: Embedder):
    """An embedder is forgotten when no collection is of it any more; the server's own stays."""
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    await ended(pipeline)
    assert other.fingerprint in pipeline.embedders
    own = pipeline.embedder.fingerprint
    await pipeline.reindexing.start("c", "", "")
    await ended(pipeline)
    assert [one.fingerprint for one in pipeline.embedders] == [own]


async def test_a_busy_server(pipeline: Pipeline, other: Embedder, monkeypatch: pytest.MonkeyPatch):
    """A batch that is refused, or late, is made again, as long as it takes; the last few put the switch off."""
    embed, refusals, sizes = other.embed, [Overloaded("full", 1), DeadlineExceeded("late"), Overloaded("full", 1)], []

    async def busy(texts: Sequence[str], *given, **named):
        """Refuse some calls, and let a document come in before the last batch is made."""
        sizes.append(len(texts))
        if refusals and len(sizes) > 1:
            raise refusals.pop(0)
        if sum(sizes) > len(DOCUMENTS) and not pipeline.contents.collection("c").get(["late"]):
            await pipeline.upsert("c", [Document("late", "late")], float("inf"))
        return await embed(texts, *given, **named)

    monkeypatch.setattr(other, "embed", busy)
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    done = await ended(pipeline)
    assert (done.state, done.documents) == ("done", len(DOCUMENTS) + 1)
    assert refusals == []
    collection = pipeline.contents.collection("c")
    assert len(collection.vectors_of([*map(str, range(len(DOCUMENTS))), "late"])) == len(DOCUMENTS) + 1


async def test_a_text_that_the_new_embedder_cannot_read(
    pipeline: Pipeline, other: Embedder, monkeypatch: pytest.MonkeyPatch
):
    """The reindex fails and names the document; once that is gone, it goes on with what was made."""
    embed, sizes = other.embed, []

    async def choosy(texts: Sequence[str], *given, **named):
        if DOCUMENTS[100].content in texts:
            raise NoTokens(list(texts).index(DOCUMENTS[100].content), DOCUMENTS[100].content)
        sizes.append(len(texts))
        return await embed(texts, *given, **named)

    monkeypatch.setattr(other, "embed", choosy)
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    failed = await ended(pipeline)
    assert failed.state == "failed"
    assert "leaves no token of document '100'; change its text, or delete it, and start again" in failed.fault
    assert pipeline.contents.collection("c").origin.fingerprint == pipeline.embedder.fingerprint
    made = sum(sizes)
    assert made == failed.made
    await pipeline.contents.delete("c", ["100"])
    remaking = pipeline.contents.collection("c").remaking
    assert await asyncio.to_thread(remaking.begin, failed.origin, str(other.path)) == made >= 64
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    assert (await ended(pipeline)).state == "done"


async def test_a_server_that_stops(pipeline: Pipeline, other: Embedder, monkeypatch: pytest.MonkeyPatch):
    """A stop ends a reindex between two batches, and the next start goes on by itself with what was made."""
    embed, sizes, second = other.embed, [], asyncio.Event()

    async def slow(texts: Sequence[str], *given, **named):
        if sizes and not second.is_set():
            second.set()
            await asyncio.Event().wait()
        sizes.append(len(texts))
        return await embed(texts, *given, **named)

    monkeypatch.setattr(other, "embed", slow)
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    await second.wait()
    await pipeline.reindexing.close()
    stopped = pipeline.reindexing.get("c")
    assert (stopped.state, stopped.made) == ("failed", sizes[0])
    assert "its next start goes on" in stopped.fault
    pipeline.reindexing._jobs.clear()  # as after a start
    await pipeline.reindexing.resume()
    assert (await ended(pipeline)).state == "done"
    assert sum(sizes) == len(DOCUMENTS)


async def test_a_bundle_that_is_gone_at_the_next_start(pipeline: Pipeline, other: Embedder):
    """What cannot go on is told as failed, with the bundle's path, and can be cancelled."""
    pipeline.contents.collection("c").remaking.begin(Origin("gone", "f" * 64, 3), "/bundles/gone")
    await pipeline.reindexing.resume()
    failed = await ended(pipeline)
    assert failed.state == "failed"
    assert "the bundle of gone is not at /bundles/gone any more; start it again with one that is" in failed.fault
    assert (await pipeline.reindexing.cancel("c")).state == "cancelled"
    assert pipeline.contents.collection("c").remaking.find() is None


async def test_writes_while_the_last_documents_are_made(
    pipeline: Pipeline, other: Embedder, components: Components, monkeypatch: pytest.MonkeyPatch
):
    """However steadily documents are written, the switch comes: the last ones are made while changes wait."""
    stop = asyncio.Event()
    written = []

    async def write() -> None:
        while not stop.is_set():
            document = Document(f"new-{len(written) % LAST}", f"new {len(written)}")
            await pipeline.upsert("c", [document], now(components) + LONG_S)
            written.append(document)

    writing = asyncio.create_task(write())
    await pipeline.reindexing.start("c", str(other.path), "fp32")
    assert (await ended(pipeline)).state == "done"
    stop.set()
    await writing
    last = {document.id: document for document in written}
    held = pipeline.contents.collection("c").vectors_of(list(last))
    made = await other.embed(
        [one.content for one in last.values()], "document", Lane.INGEST, now(components) + LONG_S
    )
    assert {name: vector.tolist() for name, vector in held.items()} == dict(
        zip(last, made.values.tolist(), strict=True)
    )


async def test_one_at_a_time(pipeline: Pipeline, other: Embedder):
    """The same call joins, another embedder has to wait, and after a cancel it need not."""
    first = await pipeline.reindexing.start("c", str(other.path), "fp32")
    assert (await pipeline.reindexing.start("c", str(other.path), "")).origin == first.origin
    with pytest.raises(InvalidRequest, match=r"embedder: .* c is made anew with .* now"):
        await pipeline.reindexing.start("c", "", "")
    assert (await pipeline.reindexing.cancel("c")).state == "cancelled"
    assert (await pipeline.reindexing.start("c", "", "")).state == "done"
    assert pipeline.contents.collection("c").origin.fingerprint == pipeline.embedder.fingerprint
