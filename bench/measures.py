"""What orders and scores are worth where trec_eval itself is not installed: nDCG as it has it, and calibration."""

from collections.abc import Mapping, Sequence

import numpy as np

from shortlist.export import figures

_BINS = 10


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], cut: int = 10) -> float:
    """Return nDCG@cut with linear gain.

    Args:
        ranking: document ids, best first.
        grades: judged grades by document id; what is not in it counts 0.
        cut: places that count.
    """
    return figures.ndcg([grades.get(name, 0) for name in ranking], grades.values(), cut)


def calibration_error(scores: Sequence[float], relevant: Sequence[bool]) -> float:
    """Return the expected calibration error: how far scores are from the share that is relevant, in the mean.

    Ten bins of equal width, weighted by what is in them (Guo et al., 2017, arXiv:1706.04599).

    Args:
        scores: 0 to 1.
        relevant: whether each was judged relevant.
    """
    said, true = np.asarray(scores, np.float64), np.asarray(relevant, np.float64)
    bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
    apart = [abs(said[bins == one].sum() - true[bins == one].sum()) for one in range(_BINS)]
    return float(sum(apart) / len(said)) if len(said) else 0.0
