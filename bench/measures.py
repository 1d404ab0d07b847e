"""Measures of a ranking, as trec_eval has them."""

from collections.abc import Mapping, Sequence

from shortlist.export import figures


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], cut: int = 10) -> float:
    """Return nDCG@cut with linear gain.

    Args:
        ranking: document ids, best first.
        grades: judged grades by document id; what is not in it counts 0.
        cut: places that count.
    """
    return figures.ndcg([grades.get(name, 0) for name in ranking], grades.values(), cut)


def recall(ranking: Sequence[str], grades: Mapping[str, int], cut: int = 50) -> float:
    """Return recall@cut: the share of the relevant documents (grade above 0) among the first `cut`."""
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant & set(ranking[:cut])) / len(relevant) if relevant else 0.0
