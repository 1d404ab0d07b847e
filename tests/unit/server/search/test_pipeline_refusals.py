"""When a search is refused before a model runs, and what it leaves behind."""

import dataclasses
import math
from collections.abc import Callable

import pytest

from shortlist.server.app import Components
from shortlist.server.errors import DeadlineExceeded, InvalidRequest, Overloaded, TooLarge, UnknownCollection
from shortlist.server.inference.lanes import Job, Lane
from shortlist.server.search import request_checks
from two_stages import DOCUMENTS, ENTRIES, LONG_S, costs, now, runs


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"text": ""}, "query"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 1001}, "top_k"),
        ({"candidates": 9}, "candidates"),
        ({"candidates": 1001}, "candidates"),
        ({"similarity_weight": 100.5}, "similarity_weight"),
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
        components.pipeline._two_stages, "_limits", dataclasses.replace(components.pipeline.limits, max_candidates=19)
    )
    with pytest.raises(InvalidRequest, match="holds 20 documents and the limit is 19; use MODE_TWO_STAGE"):
        await search(mode="rerank-all")


async def test_hits_that_no_answer_holds(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Hits too large for an answer are refused once stage one found them, and no pair of theirs is read."""
    await filled(20)
    monkeypatch.setattr(request_checks, "MAX_ANSWER_BYTES", 500)
    before = runs(components)[Lane.RERANK]
    with pytest.raises(TooLarge, match=r"^top_k: got '10 documents of .* or without include_text"):
        await search(top_k=10, candidates=20, include_text=True)
    assert runs(components)[Lane.RERANK] == before
    assert len((await search(top_k=10, candidates=20)).hits) == 10


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
        patch.setattr(components.pipeline.contents.collection("c").by_vectors, "search", broken)
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
