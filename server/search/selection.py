"""How many candidates stage one finds, and how many of them stage two reads: those near the best, within a budget.

Near is what has a cosine within a margin of the best one, or half of the best BM25: what has an exact name may lie
far by vector.

A cross-encoder takes most of a search's time, and what lies far behind the most similar candidate is seldom the
answer (docs/benchmarks.md, "Doing less in stage two"). A caller who names a number of candidates has all of them
read.
"""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shortlist.server.inference import admission

from .candidates import CandidatesFrom, RankFusion
from .limits import Limits
from .query import DEFAULT_CANDIDATES, DEFAULT_CANDIDATES_FROM, DEFAULT_TOP_K, LimitedBy, Mode, Query

_LEXICAL_SHARE = 0.5  # of the best BM25


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of what stage two reads."""

    margin: float  # of cosine, behind the best candidate
    budget_s: float  # that all pairs may be expected to take
    least: int  # pairs that are read even beyond the margin
    least_in_budget: int  # pairs that are read even beyond the budget


UNBOUND = Bounds(margin=math.inf, budget_s=math.inf, least=0, least_in_budget=0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The way in which a search is walked."""

    mode: Mode  # not auto
    candidates: int  # that stage one finds
    bounds: Bounds  # of what stage two reads
    candidates_from: CandidatesFrom
    fusion: RankFusion | None = None  # of two rankings that no reranker reads; None: it reads their union


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates that stage two reads, by their places from 0, ascending."""

    places: tuple[int, ...]
    limited_by: LimitedBy

    @property
    def count(self) -> int:
        """Return how many they are."""
        return len(self.places)


def plan(query: Query, size: int, limits: Limits) -> Plan:
    """Turn what is asked for into what to do, where so many documents can be found."""
    if query.mode == "dense":
        source = query.candidates_from or "dense"
        if source != "hybrid":
            return Plan("dense", query.top_k, UNBOUND, source)
        depth = max(query.candidates or DEFAULT_CANDIDATES, query.top_k)
        return Plan("dense", depth, UNBOUND, source, query.rank_fusion)
    if query.mode == "rerank-all":
        return Plan("rerank-all", size, UNBOUND, "dense")
    source = query.candidates_from or DEFAULT_CANDIDATES_FROM
    if query.candidates is not None:
        margin = math.inf if query.margin is None else query.margin
        return Plan("two-stage", query.candidates, replace(UNBOUND, margin=margin), source)
    wanted = max(DEFAULT_CANDIDATES, query.top_k)
    if query.mode == "auto" and size <= limits.auto_rerank_all:
        wanted = max(wanted, size)
    affordable_s = admission.budget_s(query.deadline - time.monotonic(), limits.admit_share)
    bounds = Bounds(
        margin=limits.margin if query.margin is None else query.margin,
        budget_s=min(limits.auto_budget_ms / 1000, affordable_s),
        least=query.top_k,
        least_in_budget=min(query.top_k, DEFAULT_TOP_K),
    )
    return Plan("two-stage", min(wanted, limits.max_candidates), bounds, source)


def select(
    similarities: Sequence[float], lexical_scores: Sequence[float], seconds: Sequence[float], bounds: Bounds
) -> Selection:
    """Return how many candidates to read, and what kept the rest out.

    Args:
        similarities: of the candidates, in stage one's order.
        lexical_scores: of the same; 0 of one that words did not find.
        seconds: what each of their pairs is expected to take.
        bounds: what to keep to.
    """
    if not similarities:
        return Selection((), "none")
    places = range(len(similarities))
    least = max(similarities) - bounds.margin
    least_lexical = max(lexical_scores) * _LEXICAL_SHARE or math.inf
    is_near = [
        similarity >= least or score >= least_lexical
        for similarity, score in zip(similarities, lexical_scores, strict=True)
    ]
    near = [place for place in places if is_near[place]]
    far = [place for place in places if not is_near[place]]
    near = sorted(near + far[: max(0, bounds.least - len(near))])
    affordable = sum(total_s <= bounds.budget_s for total_s in itertools.accumulate(seconds[place] for place in near))
    affordable = max(affordable, bounds.least_in_budget)
    if affordable < len(near):
        return Selection(tuple(near[:affordable]), "budget")
    return Selection(tuple(near), "none" if len(near) == len(similarities) else "margin")
