"""Measures of rankings, query by query, as trec_eval computes them: pytrec_eval is its code.

nDCG has linear gain. A grade above 0 is relevant. A query whose ranking is empty counts 0. What a query is worth is
rounded to six places here, so that a run that was saved compares with itself as equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import pytrec_eval

CUTS = (10, 50, 100, 200)
"""Places of the recall of stage one; the deepest is how far it is asked."""

TOP = 10
NDCG, MRR, RECALL = f"nDCG@{TOP}", f"MRR@{TOP}", f"recall@{TOP}"
_DIGITS = 6

Rankings = Mapping[str, Sequence[str]]
"""Document ids by query, best first."""

Grades = Mapping[str, Mapping[str, int]]
"""Grades by query and document; what is not in it counts 0."""

Values = dict[str, dict[str, float]]
"""What each query is worth, by measure and query."""


def measure(rankings: Rankings, grades: Grades, cuts: Iterable[int] = (TOP,)) -> Values:
    """Return nDCG@10, MRR@10 and the recall at each cut, of every query that has a ranking."""
    judged = {name: dict(grades[name]) for name in rankings}
    names = {NDCG: f"ndcg_cut_{TOP}", **{f"recall@{cut}": f"recall_{cut}" for cut in cuts}}
    asked = {f"ndcg_cut.{TOP}", f"recall.{','.join(map(str, cuts))}"}
    whole = _evaluated(judged, asked, rankings)
    # The reciprocal rank has no cut of its own: what is below it is not shown to it.
    tops = _evaluated(judged, {"recip_rank"}, {name: ids[:TOP] for name, ids in rankings.items()})
    found = {name: {one: whole.get(one, {}).get(key, 0.0) for one in rankings} for name, key in names.items()}
    found[MRR] = {one: tops.get(one, {}).get("recip_rank", 0.0) for one in rankings}
    return {name: {one: round(value, _DIGITS) for one, value in values.items()} for name, values in found.items()}


def means(values: Values) -> dict[str, float]:
    """Return each measure's mean over the queries."""
    return {name: fmean(by_query.values()) for name, by_query in values.items()}


def at_best(rankings: Rankings, grades: Grades) -> float:
    """Return the mean nDCG@10 of the same documents in their best order: what no reranker exceeds."""

    def best(name: str) -> list[str]:
        return sorted(rankings[name], key=lambda one: -grades[name].get(one, 0))

    return means(measure({name: best(name) for name in rankings}, grades))[NDCG]


def lost(rankings: Rankings, grades: Grades) -> float:
    """Return the share of all relevant documents, those of all queries together, that no ranking holds."""
    relevant = sum(len(grades[name]) for name in rankings)
    found = sum(len(grades[name].keys() & set(ids)) for name, ids in rankings.items())
    return 1 - found / relevant


def _evaluated(judged: dict[str, dict[str, int]], asked: set[str], rankings: Rankings) -> Values:
    """Return trec_eval's values by query and its own names; queries with an empty ranking are left out."""
    # Scores count down from the top: trec_eval orders equal ones by document id.
    scored = {name: {one: float(-place) for place, one in enumerate(ids)} for name, ids in rankings.items() if ids}
    found: Values = pytrec_eval.RelevanceEvaluator(judged, asked).evaluate(scored)
    return found
