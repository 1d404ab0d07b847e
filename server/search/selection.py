"""How many candidates stage one finds, and how many of them stage two reads: those near the best, within a budget.

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

from .limits import Limits
from .query import DEFAULT_CANDIDATES, DEFAULT_TOP_K, LimitedBy, Mode, Query


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


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates that stage two reads: the first `count`."""

    count: int
    limited_by: LimitedBy


def plan(query: Query, size: int, limits: Limits) -> Plan:
    """Turn what is asked for into what to do, where so many documents can be found."""
    if query.mode == "dense":
        return Plan("dense", query.top_k, UNBOUND)
    if query.mode == "rerank-all":
        return Plan("rerank-all", size, UNBOUND)
    if query.candidates is not None:
        margin = math.inf if query.margin is None else query.margin
        return Plan("two-stage", query.candidates, replace(UNBOUND, margin=margin))
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
    return Plan("two-stage", min(wanted, limits.max_candidates), bounds)


def select(similarities: Sequence[float], seconds: Sequence[float], bounds: Bounds) -> Selection:
    """Return how many candidates to read, and what kept the rest out.

    Args:
        similarities: of the candidates, descending.
        seconds: what each of their pairs is expected to take.
        bounds: what to keep to.
    """
    if not similarities:
        return Selection(0, "none")
    near = sum(similarity >= similarities[0] - bounds.margin for similarity in similarities)
    affordable = sum(total_s <= bounds.budget_s for total_s in itertools.accumulate(seconds))
    near = min(max(near, bounds.least), len(similarities))
    affordable = min(max(affordable, bounds.least_in_budget), len(similarities))
    if near == affordable == len(similarities):
        return Selection(len(similarities), "none")
    return Selection(near, "margin") if near <= affordable else Selection(affordable, "budget")
