"""What a cascade reads: by MaxSim's margin, by the caller's number, by budget, and never fewer than was asked for."""

import dataclasses
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.search.limits import Limits
from shortlist.server.search.query import DEFAULT_CANDIDATES, DEFAULT_MAXSIM_CANDIDATES, LimitedBy, Query
from shortlist.server.search.selection import UNBOUND, Bounds, Plan, plan, select_by_maxsim, sure
from shortlist.server.settings import Settings

COSINES = [0.75, 0.7, 0.6, 0.5, None]
SECONDS = [0.1] * 5
LIMITS = Limits.of(Settings(embedder="e", reranker="r", data="d"))  # type: ignore[arg-type]
LONG_S = 1000.0


def bounds(**changes: float) -> Bounds:
    """Return bounds, none of which holds unless it is given."""
    return dataclasses.replace(UNBOUND, **changes)


def planned(size: int = 10_000, maxsim_s: float = 0.0, *, has: bool = True, left_s: float = LONG_S, **asked) -> Plan:
    """Return the plan of a search."""
    query = Query(collection="c", text="t", deadline=time.monotonic() + left_s, **asked)
    return plan(query, size, LIMITS, has_maxsim=has, maxsim_s=maxsim_s)


@pytest.mark.parametrize(
    ("within", "count", "limited_by"),
    [
        (bounds(maxsim_margin=0.25), 4, "margin"),  # a mean cosine as far behind as the margin is read
        (bounds(maxsim_margin=0.0), 1, "margin"),
        (bounds(maxsim_margin=0.0, least=2), 2, "margin"),
        (bounds(maxsim_margin=0.0, least=5), 5, "none"),  # without token vectors, but wanted
        (bounds(maxsim_margin=0.25, most=2), 2, "none"),  # as many as the caller named
        (bounds(maxsim_margin=0.0, most=3), 1, "margin"),
        (bounds(least=3, most=3), 3, "none"),
        (bounds(maxsim_margin=0.25, budget_s=0.25), 2, "budget"),
        (bounds(least=4, most=4, budget_s=0.25, least_in_budget=3), 3, "budget"),
    ],
)
def test_the_tightest_bound_decides_and_is_told(within: Bounds, count: int, limited_by: LimitedBy):
    """The best by MaxSim are read, as many as all bounds allow, and the bound that kept the rest out is named."""
    found = select_by_maxsim(COSINES, SECONDS, within)
    assert (found.places, found.limited_by) == (tuple(range(count)), limited_by)


@given(
    scored=st.lists(st.floats(-1, 1), max_size=30),
    unscored=st.integers(0, 5),
    margin=st.floats(0, 2) | st.just(math.inf),
    budget_s=st.floats(0, 5),
    least=st.integers(0, 40),
    most=st.none() | st.integers(1, 40),
)
def test_what_is_read_is_a_beginning_of_maxsim_s_order(
    scored: list[float], unscored: int, margin: float, budget_s: float, least: int, most: int | None
):
    """It is never more than any bound allows, never less than `least` where time and caller allow, and has no gap."""
    cosines = [*sorted(scored, reverse=True), *[None] * unscored]
    within = Bounds(math.inf, budget_s, least, 0, margin, most)
    found = select_by_maxsim(cosines, [0.1] * len(cosines), within)
    assert found.places == tuple(range(found.count))
    assert most is None or found.count <= most
    assert found.count * 0.1 <= budget_s + 1e-9
    if found.limited_by != "budget":
        assert found.count >= min(least, len(cosines), most or len(cosines))
    beyond = [place for place in found.places if cosines[place] is None or cosines[place] < max(scored) - margin]
    assert not beyond or found.count <= least


@given(count=st.integers(0, 300), seconds=st.floats(0.001, 0.1), top_k=st.integers(1, 50))
def test_room_is_reserved_for_what_is_surely_read(count: int, seconds: float, top_k: int):
    """Whatever MaxSim says of them, a cascade reads as many as room was reserved for, or more."""
    within = planned(top_k=top_k, mode="cascade").bounds
    reserved = sure(count, seconds, within)
    worst = select_by_maxsim([1.0, *[-1.0] * (count - 1)][:count], [seconds] * count, within)
    assert reserved == worst.count
    assert reserved <= select_by_maxsim([1.0] * count, [seconds] * count, within).count


def test_auto_takes_the_cascade_where_it_can():
    """Mode auto is the cascade where late interaction may stand between, and else the two stages as before."""
    with_it, without = planned(), planned(has=False)
    assert (with_it.mode, with_it.candidates) == ("cascade", DEFAULT_MAXSIM_CANDIDATES)
    assert (without.mode, without.candidates) == ("two-stage", DEFAULT_CANDIDATES)
    assert planned(mode="two-stage").mode == "two-stage"
    assert planned(mode="late-interaction").bounds == UNBOUND


def test_all_of_a_small_collection_are_candidates():
    """Under auto late interaction orders all documents of a small collection, but not where candidates are named."""
    assert planned(size=450).candidates == 450
    assert planned(size=450, candidates=60).candidates == 60
    assert planned(size=450, mode="cascade").candidates == DEFAULT_MAXSIM_CANDIDATES


@pytest.mark.parametrize(
    ("maxsim_s", "asked", "expected"),
    [
        (0.0, {}, 200),  # nothing is known yet
        (0.0004, {}, 200),  # a tenth of 800 ms is 200 of 0.4 ms
        (0.0008, {}, 100),
        (0.0008, {"candidates": 300}, 300),
        (1.0, {}, 10),
        (1.0, {"top_k": 30}, 30),
        (1.0, {"rerank_candidates": 40}, 40),
    ],
)
def test_how_many_go_to_maxsim_follows_from_the_budget(maxsim_s: float, asked: dict[str, int], expected: int):
    """MaxSim gets a tenth of the budget, the number that is named, and never fewer than the stages behind it want."""
    assert planned(maxsim_s=maxsim_s, mode="cascade", **asked).candidates == expected


@given(st.floats(-1, 5), st.integers(1, 50))
def test_a_near_deadline_leaves_enough_for_the_answer(left_s: float, top_k: int):
    """However little time is left, as many candidates are found as hits are wanted."""
    found = planned(left_s=left_s, top_k=top_k, maxsim_s=0.001, mode="cascade")
    assert top_k <= found.candidates <= DEFAULT_MAXSIM_CANDIDATES


def test_a_named_number_is_read_whole():
    """Who names a number to rerank has so many read, whatever budget and default margin say; or fewer by a margin."""
    named = planned(mode="cascade", rerank_candidates=3, left_s=0.0).bounds
    assert select_by_maxsim(COSINES, SECONDS, named).count == 3
    near = planned(mode="cascade", rerank_candidates=3, margin=0.0625).bounds
    assert select_by_maxsim(COSINES, SECONDS, near).places == (0, 1)
