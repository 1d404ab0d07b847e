"""The two stages over real parts, with the tiny models: what a search reads, what it answers, and when it is refused.

Where a test is about time, the graph is told what its runs cost: no test waits for a deadline.
"""

import asyncio
import dataclasses
import math
from collections.abc import Callable, Sequence

import pytest

from shortlist.server.app import Parts
from shortlist.server.errors import DeadlineExceeded, InvalidRequest, Overloaded, UnknownCollection
from shortlist.server.inference.lanes import Job, Lane
from shortlist.server.runtime.cost import Cost
from shortlist.server.runtime.graph import Graph
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import DEFAULT_CANDIDATES, Found, Hit, Query
from shortlist.server.storage.documents import Document
from shortlist.texts import shipped

ENTRIES = shipped.entries()
DOCUMENTS = [Document(str(place), entry.text) for place, entry in enumerate(ENTRIES)]
LONG_S = 1000.0
EVERYTHING = 2.0  # a margin that keeps nothing out


@pytest.fixture
def pipeline(parts: Parts) -> Pipeline:
    """Return a pipeline without collections."""
    return parts.pipeline


@pytest.fixture
def filled(pipeline: Pipeline) -> Callable:
    """Return what makes a collection of the first documents."""

    async def fill(count: int) -> None:
        pipeline.catalog.create("c", exist_ok=False)
        done = await pipeline.upsert("c", DOCUMENTS[:count], pipeline.scorer.flights.scheduler.clock() + LONG_S)
        assert done.inserted == count

    return fill


@pytest.fixture
def search(parts: Parts) -> Callable:
    """Return what searches `c` for the first topic, with so many seconds to go."""

    async def ask(left_s: float = LONG_S, text: str = ENTRIES[0].query, **asked: object) -> Found:
        return await parts.pipeline.search(Query(collection="c", text=text, deadline=now(parts) + left_s, **asked))

    return ask


def now(parts: Parts) -> float:
    """Return the time of the scheduler's clock."""
    return parts.scheduler.clock()


def runs(parts: Parts) -> tuple[int, ...]:
    """Return how many runs there were, by lane."""
    return parts.scheduler.statistics().runs


def costs(monkeypatch: pytest.MonkeyPatch, graph: Graph, seconds_a_token: float) -> None:
    """Tell a graph what its runs cost, whatever their length."""
    told = Cost()
    told.observe(1, 1, seconds_a_token)
    monkeypatch.setattr(graph, "cost", told)


def pairs_in(parts: Parts, found: Found, seconds: float) -> int:
    """Return how many of the candidates are expected to be read in so many seconds, first to last."""
    by_rank = sorted(found.hits, key=lambda hit: hit.rank)
    total = count = 0
    for each in parts.pipeline.scorer.seconds(ENTRIES[0].query, [hit.document.content for hit in by_rank]):
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
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where the time that is left allows no more, auto reads the nearest ones alone, whole, and tells the budget."""
    await filled(60)
    assert (await search(margin=EVERYTHING)).mode == "rerank-all"
    costs(monkeypatch, parts.pipeline.scorer.graph, 0.1)
    expected = pairs_in(parts, await search(mode="dense", top_k=60), parts.pipeline.limits.admit_share * 150.0)
    found = await search(left_s=150.0, top_k=60, margin=EVERYTHING)
    assert (found.mode, found.candidates, found.limited_by) == ("two-stage", 60, "budget")
    assert found.selected == pytest.approx(expected, abs=1)  # the time that is left is not what it was
    assert 10 < found.selected < 60
    assert (found.reranked, found.cut_short) == (found.selected, False)
    assert_read_first(found.hits, found.selected, 60)


async def test_auto_reads_ten_however_short_the_time(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where not even top_k pairs would fit, as many are begun, ten at most, and the deadline cuts them."""
    await filled(60)
    costs(monkeypatch, parts.pipeline.scorer.graph, 10.0)
    for top_k, least in ((3, 3), (30, 10)):
        found = await search(left_s=100.0, top_k=top_k, margin=EVERYTHING)
        assert (found.mode, found.selected, found.limited_by) == ("two-stage", least, "budget")
        assert (found.reranked, found.cut_short) == (0, True)
        assert_read_first(found.hits, 0, top_k)


async def test_a_budget_bounds_what_nobody_asked_for(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """However long the deadline, a search that names no candidates reads what is expected to fit the budget."""
    await filled(60)
    monkeypatch.setattr(parts.pipeline, "limits", dataclasses.replace(parts.pipeline.limits, auto_budget_ms=800.0))
    nearest = await search(mode="dense", top_k=60)
    for mode in ("auto", "two-stage"):
        costs(monkeypatch, parts.pipeline.scorer.graph, 0.001)
        expected = pairs_in(parts, nearest, 0.8)
        found = await search(mode=mode, margin=EVERYTHING)
        assert (found.mode, found.limited_by) == ("two-stage", "budget")
        assert 10 < found.selected == expected < found.candidates


async def test_named_candidates_are_all_read(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """A caller who names a number has so many read, whatever budget and margin are by default."""
    await filled(60)
    costs(monkeypatch, parts.pipeline.scorer.graph, 0.01)
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
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Named candidates that no idle server could read in time come unread, in stage one's order, and that is told."""
    await filled(20)
    costs(monkeypatch, parts.pipeline.scorer.graph, 10.0)
    found = await search(left_s=60.0, mode="two-stage", candidates=20, top_k=20)
    assert (found.selected, found.reranked, found.cut_short, found.limited_by) == (20, 0, True, "none")
    assert_read_first(found.hits, 0, 20)


async def test_dense_leaves_the_second_stage_alone(parts: Parts, filled: Callable, search: Callable):
    """Mode dense runs no pair and gives no score; hits are stage one's."""
    await filled(20)
    before = runs(parts)[Lane.RERANK]
    found = await search(mode="dense", top_k=7)
    assert (found.mode, found.selected, found.reranked, found.candidates) == ("dense", 0, 0, 7)
    assert_read_first(found.hits, 0, 7)
    assert runs(parts)[Lane.RERANK] == before


async def test_two_stages_by_default_take_fifty(filled: Callable, search: Callable):
    """A collection too large to be read whole has 50 candidates, or top_k where that is more."""
    await filled(len(DOCUMENTS))
    assert (await search(mode="two-stage")).candidates == DEFAULT_CANDIDATES
    assert (await search(mode="two-stage", top_k=70)).candidates == 70


async def test_auto_of_a_large_collection(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Above auto_rerank_all, mode auto is two stages with the candidates of these."""
    await filled(60)
    monkeypatch.setattr(parts.pipeline, "limits", dataclasses.replace(parts.pipeline.limits, auto_rerank_all=59))
    found = await search(margin=EVERYTHING)
    assert (found.mode, found.candidates) == ("two-stage", DEFAULT_CANDIDATES)


async def test_a_share_of_the_similarity(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """The order is the scores', or stage one's, by the share that is asked for, else by what the bundle says."""
    await filled(20)
    plain = await search(top_k=20, margin=EVERYTHING)
    by_score = sorted(plain.hits, key=lambda hit: -hit.score)
    assert plain.hits == by_score
    by_rank = sorted(plain.hits, key=lambda hit: hit.rank)
    assert by_rank != by_score
    assert (await search(top_k=20, margin=EVERYTHING, blend=1.0)).hits == by_rank
    graph = parts.pipeline.scorer.graph
    monkeypatch.setattr(graph, "running", dataclasses.replace(graph.running, blend=1.0))
    assert (await search(top_k=20, margin=EVERYTHING)).hits == by_rank
    assert (await search(top_k=20, margin=EVERYTHING, blend=0.0)).hits == by_score


async def test_the_best_are_returned(filled: Callable, search: Callable):
    """Fewer hits than candidates are the first ones of the whole order."""
    await filled(20)
    every = (await search(top_k=20, margin=EVERYTHING)).hits
    assert (await search(top_k=3, margin=EVERYTHING)).hits == every[:3]


async def test_an_empty_collection(pipeline: Pipeline, parts: Parts, search: Callable):
    """Nothing is found in nothing, in every mode, and no pair is run."""
    pipeline.catalog.create("c", exist_ok=False)
    before = runs(parts)[Lane.RERANK]
    for mode in ("auto", "two-stage", "dense", "rerank-all"):
        found = await search(mode=mode)
        assert (found.hits, found.candidates, found.selected, found.cut_short) == ([], 0, 0, False)
    assert runs(parts)[Lane.RERANK] == before


async def test_a_search_again_runs_nothing(parts: Parts, filled: Callable, search: Callable):
    """What one search computed the next one has: same hits, no run."""
    await filled(20)
    first = await search(top_k=20, margin=EVERYTHING)
    before = runs(parts)
    again = await search(top_k=20, margin=EVERYTHING)
    assert (again.hits, runs(parts)) == (first.hits, before)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": ""}, "query"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 1001}, "top_k"),
        ({"candidates": 9}, "candidates"),
        ({"candidates": 1001}, "candidates"),
        ({"blend": 1.5}, "blend"),
        ({"blend": math.nan}, "blend"),
        ({"margin": -0.1}, "margin"),
        ({"margin": math.nan}, "margin"),
    ],
)
async def test_what_is_outside_its_limits(
    parts: Parts, filled: Callable, search: Callable, asked: dict[str, object], field: str
):
    """A value outside its limits is refused by its field, before a model runs."""
    await filled(1)
    before = runs(parts)
    with pytest.raises(InvalidRequest) as refused:
        await search(**asked)
    assert (refused.value.field, runs(parts)) == (field, before)


async def test_a_collection_too_large_to_be_read_whole(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Mode rerank-all of more than max_candidates documents is refused, with both numbers."""
    await filled(20)
    monkeypatch.setattr(parts.pipeline, "limits", dataclasses.replace(parts.pipeline.limits, max_candidates=19))
    with pytest.raises(InvalidRequest, match="holds 20 documents and the limit is 19; use MODE_TWO_STAGE"):
        await search(mode="rerank-all")


async def test_a_collection_that_is_not_there(parts: Parts, search: Callable):
    """A search and an upsert of an unknown collection are refused before a model runs."""
    before = runs(parts)
    with pytest.raises(UnknownCollection, match="named 'c'"):
        await search()
    with pytest.raises(UnknownCollection):
        await parts.pipeline.upsert("c", DOCUMENTS[:1], now(parts) + LONG_S)
    assert runs(parts) == before


async def test_a_search_that_a_queue_would_cut_is_refused_at_the_door(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Where what waits leaves too little time, a search is refused before a model runs, with when to come back."""
    await filled(20)
    graph = parts.pipeline.scorer.graph
    costs(monkeypatch, graph, 0.01)
    before = runs(parts)
    with parts.scheduler.reserve(Job(Lane.RERANK, graph, [100] * 100, now(parts) + LONG_S)):
        with pytest.raises(Overloaded) as refused:
            await search(left_s=50.0, candidates=20)
        assert (refused.value.retry_after_ms > 0, runs(parts)) == (True, before)
        found = await search(left_s=LONG_S, candidates=20)  # who has time may wait
        assert found.reranked == 20


async def test_a_search_leaves_no_place_behind(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """After a search that was answered, and one that failed on its way, nothing is expected to come any more."""
    await filled(20)
    graph = parts.pipeline.scorer.graph
    costs(monkeypatch, graph, 1.0)
    await search(left_s=1e5, candidates=20)

    def broken(*_: object) -> None:
        raise OSError("the index is gone")

    costs(monkeypatch, graph, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(parts.pipeline.catalog.get("c"), "search", broken)
        with pytest.raises(OSError, match="the index is gone"):
            await search(left_s=1e5, text=ENTRIES[5].query, candidates=20)
    # Either search reserved more than this one is allowed to wait.
    with parts.scheduler.reserve(Job(Lane.RERANK, graph, [1], now(parts) + 100.0)):
        assert parts.scheduler.statistics().waiting_tokens == 0


async def test_without_time_for_stage_one(
    parts: Parts, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """A search whose query cannot be embedded in time fails with what it needs and has."""
    await filled(20)
    costs(monkeypatch, parts.pipeline.embedder.graph, 100.0)
    with pytest.raises(DeadlineExceeded, match=r"this takes about \d+ ms, but \d+ ms are left"):
        await search(left_s=10.0)
    with pytest.raises(DeadlineExceeded):
        await search(left_s=-1.0, mode="dense")


async def test_an_upsert_embeds_what_changed(parts: Parts, filled: Callable):
    """Documents that are there as they are come to no model; the rest is told as new or updated."""
    await filled(3)
    before = runs(parts)[Lane.INGEST]
    changed = [DOCUMENTS[0], Document("1", "another text"), Document("new", "a new one")]
    done = await parts.pipeline.upsert("c", changed, now(parts) + LONG_S)
    assert (done.inserted, done.updated, done.unchanged) == (1, 1, 1)
    assert before < runs(parts)[Lane.INGEST] <= before + 2
    before = runs(parts)
    done = await parts.pipeline.upsert(
        "c", changed, now(parts) - 1
    )  # nothing is left to do: no deadline is in its way
    assert (done.inserted, done.updated, done.unchanged, runs(parts)) == (0, 0, 3, before)


async def test_an_upsert_is_whole_or_nothing(parts: Parts, filled: Callable, monkeypatch: pytest.MonkeyPatch):
    """Where the vectors cannot be made in time, nothing is written."""
    await filled(3)
    costs(monkeypatch, parts.pipeline.embedder.graph, 100.0)
    with pytest.raises(DeadlineExceeded):
        await parts.pipeline.upsert("c", [Document("0", "other"), Document("new", "text")], now(parts) + 10)
    collection = parts.pipeline.catalog.get("c")
    assert collection.get(["0", "new"]) == {"0": DOCUMENTS[0]}


async def test_an_upsert_s_vectors_are_the_embedder_s(parts: Parts, filled: Callable):
    """A document is found by its own text, title before it, with a cosine of 1 where the model knows no prefix."""
    await filled(20)
    titled = Document("titled", DOCUMENTS[30].text, title="a title")
    await parts.pipeline.upsert("c", [titled], now(parts) + LONG_S)
    query = Query(collection="c", text=f"a title {titled.text}", deadline=now(parts) + LONG_S, mode="dense", top_k=1)
    (hit,) = (await parts.pipeline.search(query)).hits
    assert hit.document == titled
    assert hit.similarity == pytest.approx(1.0, abs=1e-3)


async def test_an_upsert_of_what_may_not_be_stored(parts: Parts, filled: Callable):
    """One bad document refuses all, by its place, before a model runs."""
    await filled(1)
    before = runs(parts)
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.id: got 'a', but documents\[0\] has the same id"):
        await parts.pipeline.upsert("c", [Document("a", "x"), Document("a", "y")], now(parts) + LONG_S)
    assert runs(parts) == before


async def test_a_rerank_of_texts_that_are_brought(parts: Parts):
    """Texts of no collection are scored beside the query as a search scores them, and are not kept."""
    texts = [document.text for document in DOCUMENTS[:5]]
    first = await parts.pipeline.rerank(ENTRIES[0].query, texts, now(parts) + LONG_S)
    assert first.done.all()
    before = runs(parts)[Lane.RERANK]
    again = await parts.pipeline.rerank(ENTRIES[0].query, texts, now(parts) + LONG_S)
    assert again.logits.tolist() == first.logits.tolist()
    assert runs(parts)[Lane.RERANK] > before
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]: got ''"):
        await parts.pipeline.rerank("q", ["text", ""], now(parts) + LONG_S)
    with pytest.raises(InvalidRequest, match=r"^query: got ''"):
        await parts.pipeline.rerank("", ["text"], now(parts) + LONG_S)


async def test_a_search_s_score_is_the_rerank_s(parts: Parts, filled: Callable, search: Callable):
    """A hit has the score that its text gets by itself, to the last bit."""
    await filled(20)
    hits = (await search(top_k=20, margin=EVERYTHING)).hits
    texts = [hit.document.content for hit in hits]
    scored = await parts.pipeline.rerank(ENTRIES[0].query, texts, now(parts) + LONG_S)
    assert [hit.score for hit in hits] == scored.scores.tolist()


async def test_no_search_waits_for_a_thread(parts: Parts, filled: Callable, search: Callable):
    """While more changes wait for each other than there are threads, a search is answered."""
    await filled(5)
    collection = parts.pipeline.catalog.get("c")
    with collection._changing:
        waiting = [asyncio.create_task(parts.pipeline.delete("c", [str(number)])) for number in range(50)]
        found = await search(mode="dense")
        assert len(found.hits) == 5
        assert not any(one.done() for one in waiting)
    assert sum(await asyncio.gather(*waiting)) == 5
