"""The two stages over real parts, with the tiny models: the order of hits, upserts, and reranks of texts."""

import asyncio
import dataclasses
import math
from collections.abc import Callable

import pytest

from shortlist.server.app import Components
from shortlist.server.errors import DeadlineExceeded, InvalidRequest
from shortlist.server.fusion import Fusion
from shortlist.server.inference.lanes import Lane
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import Query
from shortlist.server.storage.document import Document
from two_stages import DOCUMENTS, ENTRIES, EVERYTHING, LONG_S, costs, now, runs


async def test_a_weight_of_the_similarity(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Hits fall by score, or by score and similarity, with the weight that is asked for, else the bundle's."""
    await filled(20)
    plain = await search(top_k=20, margin=EVERYTHING)
    by_score = sorted(plain.hits, key=lambda hit: -hit.score)
    assert plain.hits == by_score

    def worth(hit):
        return math.log(hit.score / (1 - hit.score)) + 100.0 * hit.similarity

    places = [hit.rank for hit in sorted(plain.hits, key=worth, reverse=True)]
    assert [hit.rank for hit in by_score] != places

    async def ranks(**asked):
        return [hit.rank for hit in (await search(top_k=20, margin=EVERYTHING, **asked)).hits]

    assert await ranks(similarity_weight=100.0) == places
    graph = components.pipeline.scorer.graph
    monkeypatch.setattr(graph, "info", dataclasses.replace(graph.info, fusion=Fusion(100.0)))
    assert await ranks() == places
    assert (await search(top_k=20, margin=EVERYTHING, similarity_weight=0.0)).hits == by_score


async def test_the_best_are_returned(filled: Callable, search: Callable):
    """Fewer hits than candidates are the first ones of the whole order."""
    await filled(20)
    every = (await search(top_k=20, margin=EVERYTHING)).hits
    assert (await search(top_k=3, margin=EVERYTHING)).hits == every[:3]


async def test_an_empty_collection(pipeline: Pipeline, components: Components, search: Callable):
    """Nothing is found in nothing, in every mode, and no pair is run."""
    await pipeline.contents.create("c", exist_ok=False)
    before = runs(components)[Lane.RERANK]
    for mode in ("auto", "two-stage", "dense", "rerank-all"):
        found = await search(mode=mode)
        assert (found.hits, found.candidates, found.selected, found.degraded) == ([], 0, 0, "none")
    assert runs(components)[Lane.RERANK] == before


async def test_a_search_again_runs_nothing(components: Components, filled: Callable, search: Callable):
    """What one search computed the next one has: same hits, no run."""
    await filled(20)
    first = await search(top_k=20, margin=EVERYTHING)
    before = runs(components)
    again = await search(top_k=20, margin=EVERYTHING)
    assert (again.hits, runs(components)) == (first.hits, before)


async def test_a_fresh_search_scores_again(components: Components, filled: Callable, search: Callable):
    """What is asked to be fresh takes as many runs as the first search, finds the same, and keeps nothing."""
    await filled(20)
    kept = components.pipeline.scorer.cache
    first = await search(top_k=20, margin=EVERYTHING, fresh=True)
    assert len(kept) == 0
    await search(top_k=20, margin=EVERYTHING)
    entries, before = len(kept), runs(components)[Lane.RERANK]
    again = await search(top_k=20, margin=EVERYTHING, fresh=True)
    assert again.hits == first.hits
    assert before < runs(components)[Lane.RERANK]
    assert len(kept) == entries


async def test_an_upsert_embeds_what_changed(components: Components, filled: Callable):
    """Documents that are there as they are come to no model; the rest is told as new or updated."""
    await filled(3)
    before = runs(components)[Lane.INGEST]
    changed = [DOCUMENTS[0], Document("1", "another text"), Document("new", "a new one")]
    done = await components.pipeline.upsert("c", changed, now(components) + LONG_S)
    assert (done.inserted, done.updated, done.unchanged) == (1, 1, 1)
    assert before < runs(components)[Lane.INGEST] <= before + 2
    before = runs(components)
    done = await components.pipeline.upsert(
        "c", changed, now(components) - 1
    )  # nothing is left to do: no deadline is in its way
    assert (done.inserted, done.updated, done.unchanged, runs(components)) == (0, 0, 3, before)


async def test_an_upsert_is_whole_or_nothing(
    components: Components, filled: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where the vectors cannot be made in time, nothing is written."""
    await filled(3)
    costs(monkeypatch, components.pipeline.embedder.graph, 100.0)
    with pytest.raises(DeadlineExceeded):
        await components.pipeline.upsert("c", [Document("0", "other"), Document("new", "text")], now(components) + 10)
    collection = components.pipeline.contents.collection("c")
    assert collection.get(["0", "new"]) == {"0": DOCUMENTS[0]}


async def test_an_upsert_s_vectors_are_the_embedder_s(components: Components, filled: Callable):
    """A document is found by its own text, title before it, with a cosine of 1 where the model knows no prefix."""
    await filled(20)
    titled = Document("titled", DOCUMENTS[30].text, title="a title")
    await components.pipeline.upsert("c", [titled], now(components) + LONG_S)
    query = Query(
        collection="c", text=f"a title {titled.text}", deadline=now(components) + LONG_S, mode="dense", top_k=1
    )
    (hit,) = (await components.pipeline.search(query)).hits
    assert hit.document == titled
    assert hit.similarity == pytest.approx(1.0, abs=1e-3)


async def test_an_upsert_of_what_may_not_be_stored(components: Components, filled: Callable):
    """One bad document refuses all, by its place, before a model runs."""
    await filled(1)
    before = runs(components)
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.id: got 'a', but documents\[0\] has the same id"):
        await components.pipeline.upsert("c", [Document("a", "x"), Document("a", "y")], now(components) + LONG_S)
    assert runs(components) == before


async def test_a_search_s_score_is_the_rerank_s(components: Components, filled: Callable, search: Callable):
    """A hit has the score that its text gets by itself, to the last bit."""
    await filled(20)
    hits = (await search(top_k=20, margin=EVERYTHING)).hits
    texts = [hit.document.content for hit in hits]
    ranked = await components.pipeline.rerank(ENTRIES[0].query, texts, now(components) + LONG_S)
    assert [hit.score for hit in hits] == [one.score for one in ranked.results]


async def test_no_search_waits_for_a_thread(components: Components, filled: Callable, search: Callable):
    """While more changes wait for each other than there are threads, a search is answered."""
    await filled(5)
    collection = components.pipeline.contents.collection("c")
    with collection._changing:
        waiting = [
            asyncio.create_task(components.pipeline.contents.delete("c", [str(number)])) for number in range(50)
        ]
        found = await search(mode="dense")
        assert len(found.hits) == 5
        assert not any(one.done() for one in waiting)
    assert sum(await asyncio.gather(*waiting)) == 5
