"""How many candidates each stage takes: those near the best, within a budget of time.

Near is what has a cosine within a margin of the best one, or half of the best BM25: what has an exact name may lie
far by vector. In a cascade it is what has a mean cosine by MaxSim within a margin of the best one: MaxSim compares
token by token, so it sees the names by itself.

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
from .query import (
    DEFAULT_CANDIDATES,
    DEFAULT_CANDIDATES_FROM,
    DEFAULT_MAXSIM_CANDIDATES,
    DEFAULT_TOP_K,
    LimitedBy,
    Mode,
    Query,
)

_LEXICAL_SHARE = 0.5  # of the best BM25
_MAXSIM_SHARE = 0.1  # of the budget of time
_MAXSIM_MARGIN = 0.1  # of the mean cosine; not yet measured, and bodies spread their cosines differently


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of what stage two reads."""

    margin: float  # of cosine, behind the best candidate
    budget_s: float  # that all pairs may be expected to take
    least: int  # pairs that are read even beyond the margin
    least_in_budget: int  # pairs that are read even beyond the budget
    maxsim_margin: float = math.inf  # of the mean cosine by MaxSim, behind the best one
    most: int | None = None  # pairs that the caller has read at most


UNBOUND = Bounds(margin=math.inf, budget_s=math.inf, least=0, least_in_budget=0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The way in which a search is walked."""

    mode: Mode  # not auto
    candidates: int  # that stage one finds
    bounds: Bounds  # of what stage two reads
    candidates_from: CandidatesFrom
    fusion: RankFusion | None = None  # of two rankings that no later stage reads; None: one reads their union


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates that stage two reads, by their places from 0, ascending."""

    places: tuple[int, ...]
    limited_by: LimitedBy

    @property
    def count(self) -> int:
        """Return how many they are."""
        return len(self.places)


def plan(query: Query, size: int, limits: Limits, *, has_maxsim: bool = False, maxsim_s: float = 0.0) -> Plan:
    """Turn what is asked for into what to do, where so many documents can be found.

    Args:
        query: what is asked for.
        size: documents that can be found.
        limits: of the server.
        has_maxsim: whether late interaction may stand between the stages.
        maxsim_s: what MaxSim is expected to take a candidate; 0 where that is not known.
    """
    if query.mode == "dense":
        return _dense(query)
    if query.mode == "rerank-all":
        return Plan("rerank-all", size, UNBOUND, "dense")
    source = query.candidates_from or DEFAULT_CANDIDATES_FROM
    bounds = _bounds(query, limits)
    all_read = size <= query.top_k  # whatever MaxSim says
    if query.mode == "two-stage" or (query.mode == "auto" and (all_read or not has_maxsim)):
        if query.candidates is not None:
            margin = math.inf if query.margin is None else query.margin
            return Plan("two-stage", query.candidates, replace(UNBOUND, margin=margin, most=bounds.most), source)
        wanted = _wanted(query, size, limits, DEFAULT_CANDIDATES)
        return Plan("two-stage", wanted, bounds, source)
    wanted = query.candidates or _wanted(query, size, limits, DEFAULT_MAXSIM_CANDIDATES)
    if query.candidates is None and maxsim_s:
        in_time = int(_MAXSIM_SHARE * max(0.0, _budget_s(query, limits)) / maxsim_s)
        wanted = max(min(wanted, in_time), query.top_k, query.rerank_candidates or 0)
    if query.mode == "late-interaction":
        return Plan("late-interaction", wanted, UNBOUND, source)
    return Plan("cascade", wanted, bounds, source)


def _dense(query: Query) -> Plan:
    source = query.candidates_from or "dense"
    if source != "hybrid":
        return Plan("dense", query.top_k, UNBOUND, source)
    depth = max(query.candidates or DEFAULT_CANDIDATES, query.top_k)
    return Plan("dense", depth, UNBOUND, source, query.rank_fusion)


def _wanted(query: Query, size: int, limits: Limits, default: int) -> int:
    """Return how many candidates stage one is to find where the caller does not say."""
    wanted = max(default, query.top_k, query.rerank_candidates or 0)
    if query.mode == "auto" and size <= limits.auto_rerank_all:
        wanted = max(wanted, size)
    return min(wanted, limits.max_candidates)


def _budget_s(query: Query, limits: Limits) -> float:
    """Return how long a stage of a search may be expected to take."""
    affordable_s = admission.budget_s(query.deadline - time.monotonic(), limits.admit_share)
    return min(limits.auto_budget_ms / 1000, affordable_s)


def _bounds(query: Query, limits: Limits) -> Bounds:
    """Return the bounds of stage two where the number of its candidates is not named, or is of a cascade."""
    if (most := query.rerank_candidates) is None:
        return Bounds(
            margin=limits.margin if query.margin is None else query.margin,
            budget_s=_budget_s(query, limits),
            least=query.top_k,
            least_in_budget=min(query.top_k, DEFAULT_TOP_K),
            maxsim_margin=_MAXSIM_MARGIN if query.margin is None else query.margin,
        )
    if query.margin is None:
        return replace(UNBOUND, least=most, most=most)
    return replace(UNBOUND, margin=query.margin, maxsim_margin=query.margin, most=most)


def select(
    similarities: Sequence[float], lexical_scores: Sequence[float], seconds: Sequence[float], bounds: Bounds
) -> Selection:
    """Return which candidates to read, and what kept the rest out.

    Args:
        similarities: of the candidates, in stage one's order.
        lexical_scores: of the same; 0 of one that words did not find.
        seconds: what each of their pairs is expected to take.
        bounds: what to keep to.
    """
    if not similarities:
        return Selection((), "none")
    least = max(similarities) - bounds.margin
    least_lexical = max(lexical_scores) * _LEXICAL_SHARE or math.inf
    is_near = [
        similarity >= least or score >= least_lexical
        for similarity, score in zip(similarities, lexical_scores, strict=True)
    ]
    return _within(is_near, seconds, bounds)


def select_by_maxsim(cosines: Sequence[float | None], seconds: Sequence[float], bounds: Bounds) -> Selection:
    """Return which candidates to read, and what kept the rest out.

    Args:
        cosines: of the candidates, in MaxSim's order: the mean over the query's token vectors of the largest cosine
            with one of the candidate's; None of those that have no token vectors, which stand behind.
        seconds: what each of their pairs is expected to take.
        bounds: what to keep to.
    """
    known = [cosine for cosine in cosines if cosine is not None]
    least = max(known, default=math.inf) - bounds.maxsim_margin
    return _within([cosine is not None and cosine >= least for cosine in cosines], seconds, bounds)


def sure(count: int, seconds: float, bounds: Bounds) -> int:
    """Return how many pairs of a cascade are read whatever MaxSim says, for which room can be reserved.

    Args:
        count: candidates.
        seconds: what a pair is expected to take.
        bounds: what stage two keeps to.
    """
    return select_by_maxsim([0.0, *[None] * (count - 1)], [seconds] * count, bounds).count if count else 0


def _within(is_near: Sequence[bool], seconds: Sequence[float], bounds: Bounds) -> Selection:
    """Return what is read of candidates of which some are near."""
    near = [place for place, one in enumerate(is_near) if one]
    far = [place for place, one in enumerate(is_near) if not one]
    near = sorted(near + far[: max(0, bounds.least - len(near))])
    read = near[: bounds.most]
    affordable = sum(total_s <= bounds.budget_s for total_s in itertools.accumulate(seconds[place] for place in read))
    affordable = max(affordable, bounds.least_in_budget)
    if affordable < len(read):
        return Selection(tuple(read[:affordable]), "budget")
    named = len(read) < len(near) or len(read) == bounds.most  # the caller's own number kept the rest out
    return Selection(tuple(read), "none" if named or len(near) == len(is_near) else "margin")
