"""Runs out of what searches found: pure functions of rankings and judgements."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from shortlist.bench import measures as calibration
from shortlist.client.types import CandidatesFrom

from . import measures
from .asking import Read
from .measures import CUTS, NDCG, Grades, Rankings
from .outcome import Run
from .significance import compare


def stage_one(source: CandidatesFrom, found: Rankings, grades: Grades, ms: float | None) -> Run:
    """Return the run of stage one alone.

    Args:
        source: how it found its candidates.
        found: its order.
        grades: the judgements.
        ms: how long a search took.
    """
    values = measures.measure(found, grades, CUTS)
    return Run(
        name=source,
        source=source,
        candidates=None,
        queries=len(found),
        measures=measures.means(values),
        ms=ms,
        per_query=values,
    )


def both(alone: Run, count: int, read: Mapping[str, Sequence[Read]], grades: Grades, ms: float | None) -> Run:
    """Return the run of both stages over so many candidates.

    Args:
        alone: stage one's run, of these queries and perhaps others.
        count: candidates of a query.
        read: those, in the final order.
        grades: the judgements.
        ms: how long a search took.
    """
    found = ids(read)
    name = f"{alone.name}-reranked-{count}"
    values = measures.measure(found, grades)
    return Run(
        name=name,
        source=alone.source,
        candidates=count,
        queries=len(found),
        measures=measures.means(values),
        ms=ms,
        per_query=values,
        read=fmean(sum(one.score is not None for one in every) for every in read.values()),
        lost=measures.lost(found, grades),
        at_best=measures.at_best(found, grades),
        calibration_error=_calibration_error(read, grades),
        over_stage_one=compare(name, NDCG, alone.per_query[NDCG], values[NDCG]),
    )


def ids(read: Mapping[str, Sequence[Read]]) -> dict[str, list[str]]:
    """Return the candidates' ids, by query."""
    return {name: [one.id for one in every] for name, every in read.items()}


def _calibration_error(read: Mapping[str, Sequence[Read]], grades: Grades) -> float:
    scored = [
        (one.score, one.id in grades[name]) for name, every in read.items() for one in every if one.score is not None
    ]
    return calibration.calibration_error([score for score, _ in scored], [relevant for _, relevant in scored])
