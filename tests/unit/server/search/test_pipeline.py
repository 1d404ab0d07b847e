"""The two stages over real parts, with the tiny models: what a search reads, what it answers, and when it is refused.

Where a test is about time, the graph is told what its runs cost: no test waits for a deadline.
"""

import asyncio
import dataclasses
import math
from collections.abc import Callable, Sequence

import pytest

from shortlist.server.app import Components
from shortlist.server.errors import DeadlineExceeded, InvalidRequest, Overloaded, UnknownCollection
from shortlist.server.inference.lanes import Job, Lane
from shortlist.server.runtime.cost import Cost
from shortlist.server.runtime.graph import Graph
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import DEFAULT_CANDIDATES, Found, Hit, Query
from shortlist.server.storage.document import Document
from shortlist.texts import shipped

ENTRIES = shipped.entries()
DOCUMENTS = [Document(str(place), entry.text) for place, entry in enumerate(ENTRIES)]
LONG_S = 1000.0
EVERYTHING = 2.0  # a margin that keeps nothing out


@pytest.fixture
def pipeline(components: Components) -> Pipeline:
    """Return a pipeline without collections."""
    return components.pipeline


@pytest.fixture
def filled(pipeline: Pipeline) -> Callable:
    """Return what makes a collection of the first documents."""

    async def fill(count: int) -> None:
        pipeline.catalog.create("c", exist_ok=False)
        done = await pipeline.upsert("c", DOCUMENTS[:count], pipeline.scorer.coalescer.scheduler.clock() + LONG_S)
        assert done.inserted == count

    return fill


@pytest.fixture
def search(components: Components) -> Callable:
    """Return what searches `c` for the first topic, with so many seconds to go."""

    async def ask(left_s: float = LONG_S, text: str = ENTRIES[0].query, **asked: object) -> Found:
        return await components.pipeline.search(
            Query(collection="c", text=text, deadline=now(components) + left_s, **asked)
        )

    return ask


def now(components: Components) -> float:
    """Return the time of the scheduler's clock."""
    return components.scheduler.clock()


def runs(components: Components) -> tuple[int, ...]:
    """Return how many runs there were, by lane."""
    return components.scheduler.statistics().runs


def costs(monkeypatch: pytest.MonkeyPatch, graph: Graph, seconds_a_token: float) -> None:
    """Set what a graph's runs cost, whatever their length."""
    told = Cost()
    told.observe(1, 1, seconds_a_token)
    monkeypatch.setattr(graph, "cost", told)


def pairs_in(components: Components, found: Found, seconds: float) -> int:
    """Return how many of the candidates are expected to be read in so many seconds, first to last."""
    by_rank = sorted(found.hits, key=lambda hit: hit.rank)
    total = count = 0
    for each in components.pipeline.scorer.seconds(ENTRIES[0].query, [hit.document.content for hit in by_rank]):
        total += each
        count += total <= seconds
    return count


def assert_read_first(hits: Sequence[Hit], read: int, count: int) -> None:
    """Check that of so many hits the nearest were read and stand first, and the rest follow in stage one's order."""
    assert {hit.rank for hit in hits[:read]} == set(range(1, read + 1))
    assert all(hit.score is not None for hit in hits[:read])
    assert [hit.rank for hit in hits[read:]] == list(range(read + 1, count + 1))
    assert all(hit.score is None for hit in hits[read:])


async def test_auto_reads_a_small_collection_whole(filled: Callable, search: Callable):
    """With time for it, mode auto reads every document, and says that this is rerank-all."""
    await filled(30)
    found = await search(top_k=30, margin=EVERYTHING)
    assert (found.mode, found.candidates, found.selected, found.reranked) == ("rerank-all", 30, 30, 30)
    assert (found.limited_by, found.cut_short) == ("none", False)
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)


async def test_auto_falls_back_under_a_short_deadline(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where the time that is left allows no more, auto reads the nearest ones alone, whole, and tells the budget."""
    await filled(60)
    assert (await search(margin=EVERYTHING)).mode == "rerank-all"
    costs(monkeypatch, components.pipeline.scorer.graph, 0.1)
    expected = pairs_in(
        components, await search(mode="dense", top_k=60), components.pipeline.limits.admit_share * 150.0
    )
    found = await search(left_s=150.0, top_k=60, margin=EVERYTHING)
    assert (found.mode, found.candidates, found.limited_by) == ("two-stage", 60, "budget")
    assert found.selected == pytest.approx(expected, abs=1)  # the time that is left is not what it was
    assert 10 < found.selected < 60
    assert (found.reranked, found.cut_short) == (found.selected, False)
    assert_read_first(found.hits, found.selected, 60)


async def test_auto_reads_ten_however_short_the_time(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where not even top_k pairs would fit, as many are begun, ten at most, and the deadline cuts them."""
    await filled(60)
    costs(monkeypatch, components.pipeline.scorer.graph, 10.0)
    for top_k, least in ((3, 3), (30, 10)):
        found = await search(left_s=100.0, top_k=top_k, margin=EVERYTHING)
        assert (found.mode, found.selected, found.limited_by) == ("two-stage", least, "budget")
        assert (found.reranked, found.cut_short) == (0, True)
        assert_read_first(found.hits, 0, top_k)


async def test_a_budget_bounds_what_nobody_asked_for(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """However long the deadline, a search that names no candidates reads what is expected to fit the budget."""
    await filled(60)
    monkeypatch.setattr(
        components.pipeline, "limits", dataclasses.replace(components.pipeline.limits, auto_budget_ms=800.0)
    )
    nearest = await search(mode="dense", top_k=60)
    for mode in ("auto", "two-stage"):
        costs(monkeypatch, components.pipeline.scorer.graph, 0.001)
        expected = pairs_in(components, nearest, 0.8)
        found = await search(mode=mode, margin=EVERYTHING)
        assert (found.mode, found.limited_by) == ("two-stage", "budget")
        assert 10 < found.selected == expected < found.candidates


async def test_named_candidates_are_all_read(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """A caller who names a number has so many read, whatever budget and margin are by default."""
    await filled(60)
    costs(monkeypatch, components.pipeline.scorer.graph, 0.01)
    for mode in ("auto", "two-stage"):
        found = await search(mode=mode, candidates=40)
        assert (found.candidates, found.selected, found.reranked, found.limited_by) == (40, 40, 40, "none")


async def test_the_margin_keeps_out_what_is_far_behind(filled: Callable, search: Callable):
    """Candidates further behind the best than the margin are not read, but top_k are in any case."""
    await filled(60)
    every = (await search(mode="dense", top_k=60)).hits
    margin = every[0].similarity - every[14].similarity + 1e-6
    found = await search(top_k=5, margin=margin)
    assert (found.selected, found.reranked, found.limited_by, found.cut_short) == (15, 15, "margin", False)
    found = await search(top_k=20, margin=margin)
    assert (found.selected, found.limited_by) == (20, "margin")
    assert_read_first(found.hits, 20, 20)


async def test_a_deadline_cuts_what_was_named(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Named candidates that no idle server could read in time come unread, in stage one's order, and that is told."""
    await filled(20)
    costs(monkeypatch, components.pipeline.scorer.graph, 10.0)
    found = await search(left_s=60.0, mode="two-stage", candidates=20, top_k=20)
    assert (found.selected, found.reranked, found.cut_short, found.limited_by) == (20, 0, True, "none")
    assert_read_first(found.hits, 0, 20)


async def test_dense_leaves_the_second_stage_alone(components: Components, filled: Callable, search: Callable):
    """Mode dense runs no pair and gives no score; hits are stage one's."""
    await filled(20)
    before = runs(components)[Lane.RERANK]
    found = await search(mode="dense", top_k=7)
    assert (found.mode, found.selected, found.reranked, found.candidates) == ("dense", 0, 0, 7)
    assert_read_first(found.hits, 0, 7)
    assert runs(components)[Lane.RERANK] == before


async def test_two_stages_by_default_take_fifty(filled: Callable, search: Callable):
    """A collection too large to be read whole has 50 candidates, or top_k where that is more."""
    await filled(len(DOCUMENTS))
    assert (await search(mode="two-stage")).candidates == DEFAULT_CANDIDATES
    assert (await search(mode="two-stage", top_k=70)).candidates == 70


async def test_auto_of_a_large_collection(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Above auto_rerank_all, mode auto is two stages with the candidates of these."""
    await filled(60)
    monkeypatch.setattr(
        components.pipeline, "limits", dataclasses.replace(components.pipeline.limits, auto_rerank_all=59)
    )
    found = await search(margin=EVERYTHING)
    assert (found.mode, found.candidates) == ("two-stage", DEFAULT_CANDIDATES)


async def test_a_share_of_the_similarity(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """The order is the scores', or stage one's, by the share that is asked for, else by what the bundle says."""
    await filled(20)
    plain = await search(top_k=20, margin=EVERYTHING)
    by_score = sorted(plain.hits, key=lambda hit: -hit.score)
    assert plain.hits == by_score
    by_rank = sorted(plain.hits, key=lambda hit: hit.rank)
    assert by_rank != by_score
    assert (await search(top_k=20, margin=EVERYTHING, similarity_weight=1.0)).hits == by_rank
    graph = components.pipeline.scorer.graph
    monkeypatch.setattr(graph, "info", dataclasses.replace(graph.info, similarity_weight=1.0))
    assert (await search(top_k=20, margin=EVERYTHING)).hits == by_rank
    assert (await search(top_k=20, margin=EVERYTHING, similarity_weight=0.0)).hits == by_score


async def test_the_best_are_returned(filled: Callable, search: Callable):
    """Fewer hits than candidates are the first ones of the whole order."""
    await filled(20)
    every = (await search(top_k=20, margin=EVERYTHING)).hits
    assert (await search(top_k=3, margin=EVERYTHING)).hits == every[:3]


async def test_an_empty_collection(pipeline: Pipeline, components: Components, search: Callable):
    """Nothing is found in nothing, in every mode, and no pair is run."""
    pipeline.catalog.create("c", exist_ok=False)
    before = runs(components)[Lane.RERANK]
    for mode in ("auto", "two-stage", "dense", "rerank-all"):
        found = await search(mode=mode)
        assert (found.hits, found.candidates, found.selected, found.cut_short) == ([], 0, 0, False)
    assert runs(components)[Lane.RERANK] == before


async def test_a_search_again_runs_nothing(components: Components, filled: Callable, search: Callable):
    """What one search computed the next one has: same hits, no run."""
    await filled(20)
    first = await search(top_k=20, margin=EVERYTHING)
    before = runs(components)
    again = await search(top_k=20, margin=EVERYTHING)
    assert (again.hits, runs(components)) == (first.hits, before)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": ""}, "query"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 1001}, "top_k"),
        ({"candidates": 9}, "candidates"),
        ({"candidates": 1001}, "candidates"),
        ({"similarity_weight": 1.5}, "similarity_weight"),
        ({"similarity_weight": math.nan}, "similarity_weight"),
        ({"margin": -0.1}, "margin"),
        ({"margin": math.nan}, "margin"),
    ],
)
async def test_what_is_outside_its_limits(
    components: Components, filled: Callable, search: Callable, asked: dict[str, object], field: str
):
    """A value outside its limits is refused by its field, before a model runs."""
    await filled(1)
    before = runs(components)
    with pytest.raises(InvalidRequest) as refused:
        await search(**asked)
    assert (refused.value.field, runs(components)) == (field, before)


async def test_a_collection_too_large_to_be_read_whole(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Mode rerank-all of more than max_candidates documents is refused, with both numbers."""
    await filled(20)
    monkeypatch.setattr(
        components.pipeline, "limits", dataclasses.replace(components.pipeline.limits, max_candidates=19)
    )
    with pytest.raises(InvalidRequest, match="holds 20 documents and the limit is 19; use MODE_TWO_STAGE"):
        await search(mode="rerank-all")


async def test_a_collection_that_is_not_there(components: Components, search: Callable):
    """A search and an upsert of an unknown collection are refused before a model runs."""
    before = runs(components)
    with pytest.raises(UnknownCollection, match="named 'c'"):
        await search()
    with pytest.raises(UnknownCollection):
        await components.pipeline.upsert("c", DOCUMENTS[:1], now(components) + LONG_S)
    assert runs(components) == before


async def test_a_search_that_a_queue_would_cut_is_refused_at_the_door(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where what waits leaves too little time, a search is refused before a model runs, with when to come back."""
    await filled(20)
    graph = components.pipeline.scorer.graph
    costs(monkeypatch, graph, 0.01)
    before = runs(components)
    with components.scheduler.reserve(Job(Lane.RERANK, graph, [100] * 100, now(components) + LONG_S)):
        with pytest.raises(Overloaded) as refused:
            await search(left_s=50.0, candidates=20)
        assert (refused.value.retry_after_ms > 0, runs(components)) == (True, before)
        found = await search(left_s=LONG_S, candidates=20)  # who has time may wait
        assert found.reranked == 20


async def test_a_search_leaves_no_place_behind(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """After a search that was answered, and one that failed on its way, nothing is expected to come any more."""
    await filled(20)
    graph = components.pipeline.scorer.graph
    costs(monkeypatch, graph, 1.0)
    await search(left_s=1e5, candidates=20)

    def broken(*_: object) -> None:
        raise OSError("the index is gone")

    costs(monkeypatch, graph, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(components.pipeline.catalog.get("c"), "search", broken)
        with pytest.raises(OSError, match="the index is gone"):
            await search(left_s=1e5, text=ENTRIES[5].query, candidates=20)
    # Either search reserved more than this one is allowed to wait.
    with components.scheduler.reserve(Job(Lane.RERANK, graph, [1], now(components) + 100.0)):
        assert components.scheduler.statistics().waiting_tokens == 0


async def test_without_time_for_stage_one(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """A search whose query cannot be embedded in time fails with what it needs and has."""
    await filled(20)
    costs(monkeypatch, components.pipeline.embedder.graph, 100.0)
    with pytest.raises(DeadlineExceeded, match=r"this takes about \d+ ms, but \d+ ms are left"):
        await search(left_s=10.0)
    with pytest.raises(DeadlineExceeded):
        await search(left_s=-1.0, mode="dense")


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
    collection = components.pipeline.catalog.get("c")
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


async def test_a_rerank_of_texts_that_are_brought(components: Components):
    """Texts of no collection are scored beside the query as a search scores them, and are not kept."""
    texts = [document.text for document in DOCUMENTS[:5]]
    first = await components.pipeline.rerank(ENTRIES[0].query, texts, now(components) + LONG_S)
    assert first.done.all()
    before = runs(components)[Lane.RERANK]
    again = await components.pipeline.rerank(ENTRIES[0].query, texts, now(components) + LONG_S)
    assert again.logits.tolist() == first.logits.tolist()
    assert runs(components)[Lane.RERANK] > before
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: got ''"):
        await components.pipeline.rerank("q", ["text", ""], now(components) + LONG_S)
    with pytest.raises(InvalidRequest, match=r"^query: got ''"):
        await components.pipeline.rerank("", ["text"], now(components) + LONG_S)


async def test_a_search_s_score_is_the_rerank_s(components: Components, filled: Callable, search: Callable):
    """A hit has the score that its text gets by itself, to the last bit."""
    await filled(20)
    hits = (await search(top_k=20, margin=EVERYTHING)).hits
    texts = [hit.document.content for hit in hits]
    scored = await components.pipeline.rerank(ENTRIES[0].query, texts, now(components) + LONG_S)
    assert [hit.score for hit in hits] == scored.scores.tolist()


async def test_no_search_waits_for_a_thread(components: Components, filled: Callable, search: Callable):
    """While more changes wait for each other than there are threads, a search is answered."""
    await filled(5)
    collection = components.pipeline.catalog.get("c")
    with collection._changing:
        waiting = [asyncio.create_task(components.pipeline.delete("c", [str(number)])) for number in range(50)]
        found = await search(mode="dense")
        assert len(found.hits) == 5
        assert not any(one.done() for one in waiting)
    assert sum(await asyncio.gather(*waiting)) == 5
