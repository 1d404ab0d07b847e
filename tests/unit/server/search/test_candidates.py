"""How many candidates a search reads: by mode, margin, budget and deadline, with the tiny models.

Where a test is about time, the graph is told what its runs cost: no test waits for a deadline.
"""

import dataclasses
from collections.abc import Callable

import pytest

from shortlist.server.app import Components
from shortlist.server.inference.lanes import Lane
from shortlist.server.search.query import DEFAULT_CANDIDATES
from two_stages import DOCUMENTS, EVERYTHING, assert_read_first, costs, pairs_in, runs


async def test_auto_reads_a_small_collection_whole(filled: Callable, search: Callable):
    """With time for it, mode auto reads every document, and says that this is rerank-all."""
    await filled(30)
    found = await search(top_k=30, margin=EVERYTHING)
    assert (found.mode, found.candidates, found.selected, found.reranked) == ("rerank-all", 30, 30, 30)
    assert (found.limited_by, found.degraded) == ("none", "none")
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
    assert (found.reranked, found.degraded) == (found.selected, "none")
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
        assert (found.reranked, found.degraded) == (0, "deadline")
        assert_read_first(found.hits, 0, top_k)


async def test_a_budget_bounds_what_nobody_asked_for(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """However long the deadline, a search that names no candidates reads what is expected to fit the budget."""
    await filled(60)
    monkeypatch.setattr(
        components.pipeline._two_stages,
        "_limits",
        dataclasses.replace(components.pipeline.limits, auto_budget_ms=800.0),
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
    found = await search(top_k=5, margin=margin, candidates_from="dense")
    assert (found.selected, found.reranked, found.limited_by, found.degraded) == (15, 15, "margin", "none")
    found = await search(top_k=20, margin=margin, candidates_from="dense")
    assert (found.selected, found.limited_by) == (20, "margin")
    assert_read_first(found.hits, 20, 20)


async def test_a_deadline_cuts_what_was_named(
    components: Components, filled: Callable, search: Callable, monkeypatch: pytest.MonkeyPatch
):
    """Named candidates that no idle server could read in time come unread, in stage one's order, and that is told."""
    await filled(20)
    costs(monkeypatch, components.pipeline.scorer.graph, 10.0)
    found = await search(left_s=60.0, mode="two-stage", candidates=20, top_k=20)
    assert (found.selected, found.reranked, found.degraded, found.limited_by) == (20, 0, "deadline", "none")
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
        components.pipeline._two_stages,
        "_limits",
        dataclasses.replace(components.pipeline.limits, auto_rerank_all=59),
    )
    found = await search(margin=EVERYTHING)
    assert (found.mode, found.candidates) == ("two-stage", DEFAULT_CANDIDATES)
