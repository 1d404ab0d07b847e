"""Measures of a ranking, as trec_eval has them."""

import math
from collections.abc import Mapping, Sequence


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], cut: int = 10) -> float:
    """Return nDCG@cut with linear gain: DCG = sum of grade / log2(place + 1), over that of the best order.

    Args:
        ranking: document ids, best first.
        grades: judged grades by document id; what is not in it counts 0.
        cut: places that count.
    """
    best = sum(
        grade / math.log2(place + 1) for place, grade in enumerate(sorted(grades.values(), reverse=True)[:cut], 1)
    )
    got = sum(grades.get(name, 0) / math.log2(place + 1) for place, name in enumerate(ranking[:cut], 1))
    return got / best if best else 0.0


def recall(ranking: Sequence[str], grades: Mapping[str, int], cut: int = 50) -> float:
    """Return recall@cut: the share of the relevant documents (grade above 0) among the first `cut`."""
    relevant = {name for name, grade in grades.items() if grade > 0}
    return len(relevant & set(ranking[:cut])) / len(relevant) if relevant else 0.0
